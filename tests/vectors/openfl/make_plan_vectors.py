#!/usr/bin/env python3
"""Hash plans with the real OpenFL, one release a run.

    for each release R: python3 -m venv vR && vR/bin/pip install openfl==R
    vR/bin/python make_plan_vectors.py R PLAN...        (appends lines to standard output)

A line: release, file name, federation uuid, SHA-384 of the plan, resolved port, with agg_addr made
`agg.example.org` where it is auto (environment FQDN).
"""
import os
import pathlib
import sys

os.environ["FQDN"] = "agg.example.org"

from openfl.federated import Plan  # noqa: E402

for name in sys.argv[2:]:
    path = pathlib.Path(name)
    plan = Plan.parse(path, resolve=False, cols_config_path=path.parent / "cols.yaml")
    before = plan.hash
    plan.name = path.name
    plan.resolve()
    port = plan.config["network"]["settings"]["agg_port"]
    print(sys.argv[1], path.name, plan.federation_uuid, before, port)
