#!/usr/bin/env python3
"""A workspace of the template vouch/pytorch, trained by two sites, with Debian's Python and PyTorch.

usage: pytorch_example_test.py DIRECTORY-OF-PROGRAMS
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import tap  # noqa: E402
from federation import AGGREGATOR, Process, make_sites_of_template  # noqa: E402
from ports import free_port  # noqa: E402

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-pytorch-"))
NAMES = ("col1", "col2")
ROUNDS = 10
LOG = ("--log-format", "json", "--log-level", "info")
DEBIANS = {"PATH": "/usr/bin:/bin"}


def aggregator(site):
    return Process([PROGRAMS / "vouch", "aggregator", "start", *LOG], site.directory, STAGE / "aggregator.log")


def collaborator(site, name):
    return Process([PROGRAMS / "vouch", "collaborator", "start", "-n", name, *LOG], site.directory, STAGE / f"{name}.log",
                   environment=DEBIANS)


def two_sites_train_the_pytorch_example():
    tried = subprocess.run(["/usr/bin/python3", "-c", "import torch"], text=True, capture_output=True, timeout=120)
    if tried.returncode != 0:
        raise tap.Skip(f"Debian's Python has no PyTorch ({tried.stderr.strip().splitlines()[-1]}); tools/bootstrap interop "
                       "installs it")
    sites = make_sites_of_template("vouch/pytorch", STAGE, PROGRAMS, NAMES, ROUNDS, free_port(), DEBIANS)
    with aggregator(sites[AGGREGATOR]) as agg:
        agg.event("aggregator.listening")
        with collaborator(sites["col1"], "col1") as one, collaborator(sites["col2"], "col2") as two:
            for process in (one, two, agg):
                assert process.wait(300) == 0, process.tail()
    lines = (sites[AGGREGATOR] / "logs/aggregator_metrics.jsonl").read_text().splitlines()
    accuracy = [m["metric_value"] for m in map(json.loads, lines)
                if m["metric_origin"] == "aggregator" and m["task_name"] == "aggregated_model_validation"]
    assert len(accuracy) == ROUNDS and accuracy[-1] > 0.85 > accuracy[0], accuracy
    assert one.events("runner.ready")[0]["training"] == 719, one.tail()


try:
    tap.run(two_sites_train_the_pytorch_example)
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
