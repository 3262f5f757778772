#!/usr/bin/env python3
"""A sealed identity outlives a restart, and nothing that is written shows its keys.

The keys are looked for, not assumed (see no_key_leaks_test.py): both are found in the locked memory of an aggregator on a
simulated SGX platform, and searched for in every file that it wrote, the sealed one included.

usage: sealed_key_test.py DIRECTORY-OF-PROGRAMS
"""
import hashlib
import json
import os
import pathlib
import shutil
import sys
import tempfile

import tap
from federation import Process, Site, attestation_yaml, certificate_digest, new_federation_id, spki_digest
from ports import free_port
from private_keys import look, needles, private_keys, spki_point

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-sealed-"))
ENV = {}


def a_federation_with_a_directory_for_sealed_state_is_made():
    agg, col = ENV["agg"], ENV["col"] = Site(STAGE / "aggregator", PROGRAMS), Site(STAGE / "col1", PROGRAMS)
    agg.run("vouch-sim", "platform", "create", STAGE / "platform")
    agg.run("vouch", "workspace", "create", "--prefix", STAGE / "template")
    plan = (STAGE / "template/plan/plan.yaml").read_text()
    plan = plan.replace("agg_addr: auto", "agg_addr: localhost").replace("agg_port: auto", f"agg_port: {free_port()}")
    for site in (agg, col):
        (site / "plan/plan.yaml").write_text(plan)
    agg.run("vouch", "workspace", "certify")
    agg.run("vouch", "aggregator", "generate-cert-request", "--fqdn", "localhost")
    agg.run("vouch", "aggregator", "certify", "--fqdn", "localhost", "-s")
    col.run("vouch", "collaborator", "generate-cert-request", "-n", "col1", "-s")
    agg.run("vouch", "collaborator", "certify", "-r", col / "col_col1_to_agg_cert_request.zip", "-s")
    col.run("vouch", "collaborator", "certify", "-i", agg / "agg_to_col_col1_signed_cert.zip")
    agg.run("vouch", "plan", "initialize")
    measured = json.loads(agg.run("vouch-sim", "measure", "--json", "--", PROGRAMS / "vouch"))["mrenclave"]
    (agg / "plan/attestation.yaml").write_text(attestation_yaml(
        {"id": new_federation_id(), "from": "2020-01-01T00:00:00Z", "enable": {"aggregator": True, "collaborator": False},
         "initial_model": hashlib.sha256((agg / "save/init.pbuf").read_bytes()).hexdigest(),
         "participants": [
             {"name": "agg", "role": "aggregator", "enrolment": spki_digest(agg / "cert/server/agg_localhost.crt")},
             {"name": "col1", "role": "collaborator", "attested": False,
              "enrolment": spki_digest(col / "cert/client/col_col1.crt")}],
         "measurements": {"aggregator": [{"mrenclave": measured}]}, "tcb": {"accept": ["UpToDate"]}, "token": "off",
         "channel": "key", "roots": [certificate_digest(STAGE / "platform/root.pem")], "model_export": "clear"},
        {"collateral": {"dir": str(STAGE / "platform/collateral")}, "state": "state",
         "enrolment": {"cert": "cert/server/agg_localhost.crt", "key": "cert/server/agg_localhost.key"}}))


def child_of(pid):
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        if f"PPid:\t{pid}\n" in text:
            return int(status.parent.name)
    raise AssertionError("the simulation has no child")


def run_once(label):
    """Start, look into it, stop; the public points of its certificate and CA, and what was seen."""
    reports = STAGE / label
    places = {"ATTESTATION_REPORT_PATH": str(reports), "ROOT_CERT_PATH": str(reports)}
    with Process([PROGRAMS / "vouch-sim", "run", "--platform", STAGE / "platform", "--gramine-limits", "--",
                  PROGRAMS / "vouch", "aggregator", "start", "--log-format", "json", "--log-level", "debug"],
                 ENV["agg"].directory, STAGE / f"{label}.log", places) as process:
        process.event("aggregator.listening")
        seen = look(child_of(process.child.pid))
    passport = json.loads((reports / "agg_passport.json").read_text())
    return {spki_point(passport["cert"]): "the attested key", spki_point(passport["ca"]): "the federation CA's key"}, seen


def a_restart_has_the_sealed_key_and_ca_again():
    if os.geteuid() != 0:
        raise tap.Skip("reading other processes' memory needs root")
    ENV["points"], ENV["seen"] = run_once("first")
    again, ENV["seen again"] = run_once("second")
    assert again == ENV["points"], "a new identity"
    sealed = list((ENV["agg"] / "state").rglob("*.identity"))
    assert len(sealed) == 1 and sealed[0].stat().st_mode & 0o777 == 0o600, sealed


def both_keys_lie_in_locked_memory():
    if "seen" not in ENV:
        raise tap.Skip("nothing was looked into (see above)")
    keys = private_keys(ENV["seen"], ENV["points"])
    assert set(keys) == set(ENV["points"].values()), keys.keys()
    assert set(private_keys(ENV["seen again"], ENV["points"])) == set(keys), "not unsealed into locked memory"
    ENV["needles"] = [(name, needle) for name, scalar in keys.items() for needle in needles(scalar)]


def neither_stands_in_any_file_log_argument_or_environment():
    if "needles" not in ENV:
        raise tap.Skip("no key is known (see above)")
    places = {str(p): p.read_bytes() for p in STAGE.rglob("*") if p.is_file()}
    assert any(name.endswith(".identity") for name in places) and any("second.log" in name for name in places)
    for run in ("seen", "seen again"):
        places[f"{run}: arguments"], places[f"{run}: environment"] = ENV[run]["cmdline"], ENV[run]["environ"]
    for where, data in places.items():
        for name, needle in ENV["needles"]:
            assert needle not in data, f"{name} stands in {where}"


try:
    tap.run(a_federation_with_a_directory_for_sealed_state_is_made, a_restart_has_the_sealed_key_and_ca_again,
            both_keys_lie_in_locked_memory, neither_stands_in_any_file_log_argument_or_environment)
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
