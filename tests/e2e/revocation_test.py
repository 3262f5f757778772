#!/usr/bin/env python3
"""Platforms are revoked while rounds run: their connections end at once, the others go on.

usage: revocation_test.py DIRECTORY-OF-PROGRAMS
"""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

import tap
from federation import (AGGREGATOR, Process, Site, attestation_yaml, certificate_digest, certificate_of, make_sites,
                        new_federation_id, spki_digest)
from ports import free_port

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-revocation-"))
NAMES = ("col1", "col2")
ALL = (AGGREGATOR,) + NAMES
LOG = ("--log-format", "json", "--log-level", "info")
ENV = {"sites": {}, "processes": {}}


def sites_and_platforms_are_made():
    desk = Site(STAGE / "desk", PROGRAMS)
    # One vendor: the collateral of each says which platforms were revoked when it was made.
    for name, revoked in (("col1", ()), ("col2", ("--revoke", "pck")), (AGGREGATOR, ("--revoke", "pck"))):
        desk.run("vouch-sim", "platform", "create", STAGE / f"platform-{name}", "--vendor", STAGE / "vendor", *revoked)
    ENV["measured"] = json.loads(desk.run("vouch-sim", "measure", "--json", "--", PROGRAMS / "vouch"))["mrenclave"]
    ENV["sites"] = make_sites(STAGE, PROGRAMS, NAMES, 100000, free_port())
    write_policies()


def write_policies():
    sites = ENV["sites"]
    federation = {
        "id": new_federation_id(), "from": "2020-01-01T00:00:00Z", "enable": {"aggregator": True, "collaborator": True},
        "initial_model": hashlib.sha256((sites[AGGREGATOR] / "save/init.pbuf").read_bytes()).hexdigest(),
        "participants": [{"name": n, "role": "aggregator" if n == AGGREGATOR else "collaborator",
                          "enrolment": spki_digest(sites[n] / f"cert/{certificate_of(n)}.crt")} for n in ALL],
        "measurements": {r: [{"mrenclave": ENV["measured"]}] for r in ("aggregator", "collaborator")},
        "tcb": {"accept": ["UpToDate"]}, "token": "off", "channel": "key",
        "roots": [certificate_digest(STAGE / "platform-col1/root.pem")],
        "model_export": "clear", "certificate_life_h": 24, "reattest_min": 60}
    for name in ALL:
        lay_down(name, "col1")
        local = {"collateral": {"dir": "collateral"},
                 "enrolment": {"cert": f"cert/{certificate_of(name)}.crt", "key": f"cert/{certificate_of(name)}.key"}}
        (sites[name] / "plan/attestation.yaml").write_text(attestation_yaml(federation, local))


def lay_down(name, whose):
    """What a site's operator fetched: the collateral of the day on which that platform was made."""
    directory = ENV["sites"][name] / "collateral"
    directory.mkdir(exist_ok=True)
    for source in (STAGE / f"platform-{whose}/collateral").iterdir():
        shutil.copy(source, directory / f".{source.name}")
        os.rename(directory / f".{source.name}", directory / source.name)


def start(name):
    site = ENV["sites"][name]
    words = ["aggregator", "start"] if name == AGGREGATOR else ["collaborator", "start", "-n", name]
    ENV["processes"][name] = Process(
        [PROGRAMS / "vouch-sim", "run", "--platform", STAGE / f"platform-{name}", "--gramine-limits", "--",
         PROGRAMS / "vouch", *words, *LOG], site.directory, STAGE / f"{name}.log",
        {"ATTESTATION_REPORT_PATH": str(site / "reports"), "ROOT_CERT_PATH": str(site / "reports")})
    return ENV["processes"][name]


def rounds(reported, count=2, seconds=60):
    """So many more rounds end with so many that reported."""
    aggregator, until = ENV["processes"][AGGREGATOR], time.monotonic() + seconds
    first = len(aggregator.events("round.finished"))
    while time.monotonic() < until:
        done = [one for one in aggregator.events("round.finished")[first:] if one["reported"] == reported]
        if len(done) >= count:
            return
        time.sleep(0.1)
    raise AssertionError(f"no {count} rounds with {reported}; the log ends:\n" + aggregator.tail())


def rounds_run():
    start(AGGREGATOR).event("aggregator.listening")
    for name in NAMES:
        start(name)
    rounds(2)


def a_revoked_platform_loses_its_connection_at_once():
    aggregator = ENV["processes"][AGGREGATOR]
    before = time.monotonic()
    lay_down(AGGREGATOR, "col2")
    os.killpg(aggregator.child.pid, signal.SIGHUP)
    revoked = aggregator.event("admission.revoked", name="col2", seconds=20)
    assert time.monotonic() - before < 20 and revoked["code"] == "quote" and "revoked" in revoked["message"], revoked
    out = aggregator.event("collaborator.quarantined", name="col2")
    assert "revoked" in out["reason"], out
    assert aggregator.events("collateral.reloaded")


def the_others_go_on_in_their_connections():
    rounds(1)
    aggregator = ENV["processes"][AGGREGATOR]
    assert len(aggregator.events("admission.revoked")) == 1, aggregator.events("admission.revoked")
    assert not ENV["processes"]["col1"].events("aggregator.trouble"), ENV["processes"]["col1"].tail()


def it_does_not_come_back_and_its_operator_hears_why():
    assert ENV["processes"]["col2"].wait(60) == 1, ENV["processes"]["col2"].tail()
    assert "evidence" in ENV["processes"]["col2"].tail(), ENV["processes"]["col2"].tail()
    ENV["processes"][AGGREGATOR].event("admission.refused", name="col2", code="quote")


def a_killed_aggregator_does_not_believe_it_again():
    killed = ENV["processes"].pop(AGGREGATOR)
    os.killpg(killed.child.pid, signal.SIGKILL)
    killed.child.wait(30)
    reached = killed.events("round.finished")[-1]["round"]
    killed.file.close()
    again = start(AGGREGATOR)
    resumed = again.event("federation.resumed")
    assert resumed["round"] >= reached, (resumed, reached)
    rounds(1)  # it is not waited for, though this process never saw it
    assert not again.events("collaborator.quarantined") and not again.events("result.damaged"), again.tail()


def a_collaborator_leaves_an_aggregator_that_is_revoked():
    collaborator = ENV["processes"]["col1"]
    lay_down("col1", AGGREGATOR)
    os.killpg(collaborator.child.pid, signal.SIGHUP)
    revoked = collaborator.event("admission.revoked", name=AGGREGATOR, seconds=20)
    assert revoked["role"] == "aggregator" and "revoked" in revoked["message"], revoked
    assert collaborator.wait(60) == 1, collaborator.tail()


try:
    tap.run(
        sites_and_platforms_are_made,
        rounds_run,
        a_revoked_platform_loses_its_connection_at_once,
        the_others_go_on_in_their_connections,
        it_does_not_come_back_and_its_operator_hears_why,
        a_killed_aggregator_does_not_believe_it_again,
        a_collaborator_leaves_an_aggregator_that_is_revoked,
    )
finally:
    for running in list(ENV["processes"].values()):
        running.__exit__()
    shutil.rmtree(STAGE, ignore_errors=True)
