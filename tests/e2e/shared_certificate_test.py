#!/usr/bin/env python3
"""aggregator.settings.single_col_cert_common_name: all collaborators show one certificate, and who one is the header
of each message says. docs/openfl.md, "One certificate for all".

usage: shared_certificate_test.py DIRECTORY-OF-PROGRAMS
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import tap
from federation import AGGREGATOR, Process, Site, make_sites
from h2_raw import Peer, field
from ports import free_port

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-shared-"))
NAMES, ROUNDS = ("col1", "col2"), 3
SHARED = "all"
LOG = ("--log-format", "json", "--log-level", "info")
KEY = "single_col_cert_common_name"
ENV = {}


def put(old, new):
    """In the plan of every site."""
    for site in ENV["sites"].values():
        text = (site / "plan/plan.yaml").read_text()
        assert text.count(old) == 1, old
        (site / "plan/plan.yaml").write_text(text.replace(old, new))


def start(name, label):
    role = ("aggregator", "start", "--listen", f"127.0.0.1:{ENV['port']}")
    words = role if name == AGGREGATOR else ("collaborator", "start", "-n", name)
    return Process([PROGRAMS / "vouch", *words, *LOG], ENV["sites"][name].directory, STAGE / f"{label}-{name}.log")


def final_model():
    return (ENV["sites"][AGGREGATOR] / "save/final.pbuf").read_bytes()


def play(label):
    """One federation to its end: its model, and the aggregator's process."""
    with start(AGGREGATOR, label) as aggregator:
        aggregator.event("aggregator.listening")
        with start("col1", label) as one, start("col2", label) as two:
            for process in (one, two, aggregator):
                assert process.wait(60) == 0, process.tail()
    return final_model(), aggregator


def run_to_its_end(name, *words):
    done = subprocess.run([PROGRAMS / "vouch", *words], cwd=ENV["sites"][name].directory, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def two_members_train_under_certificates_of_their_own():
    ENV["port"] = free_port()
    ENV["sites"] = make_sites(STAGE, PROGRAMS, NAMES, ROUNDS, ENV["port"])
    ENV["model"], process = play("own")
    assert {e["name"] for e in process.events("admission.admitted")} == set(NAMES)


def a_certificate_is_made_for_all_and_copied_to_each_under_its_own_name():
    agg = ENV["sites"][AGGREGATOR]
    cols = (agg / "plan/cols.yaml").read_text()
    agg.run("vouch", "collaborator", "generate-cert-request", "-n", SHARED, "-s", "-x")
    agg.run("vouch", "collaborator", "certify", "-n", SHARED, "-s")
    (agg / "plan/cols.yaml").write_text(cols)  # it is nobody's name
    for name in NAMES:
        site = ENV["sites"][name]
        for end in ("crt", "key"):
            (site / f"cert/client/col_{name}.{end}").rename(site / f"cert/client/own.{end}")
            shutil.copy(agg / f"cert/client/col_{SHARED}.{end}", site / f"cert/client/col_{name}.{end}")
    put("    rounds_to_train", f"    {KEY}: {SHARED}\n    rounds_to_train")
    put("agg_addr: localhost", f"agg_addr: localhost, {KEY}: {SHARED}")


def two_members_with_one_certificate_end_with_the_same_model_bit_for_bit():
    model, process = play("shared")
    assert model == ENV["model"]
    assert {e["name"] for e in process.events("admission.admitted")} == {SHARED}
    taken = {(e["collaborator"], e["task"]) for e in process.events("result.taken")}
    assert len(taken) == len(NAMES) * 3 and {c for c, _ in taken} == set(NAMES), taken
    lines = (ENV["sites"][AGGREGATOR] / "logs/aggregator_metrics.jsonl").read_text().splitlines()
    own, shared = sorted(lines[:len(lines) // 2]), sorted(lines[len(lines) // 2:])
    assert shared == own  # by member, as under two certificates
    assert {json.loads(line)["metric_origin"] for line in shared} == {*NAMES, "aggregator"}


def both_sides_warn_at_the_plans_line():
    plan = (ENV["sites"][AGGREGATOR] / "plan/plan.yaml").read_text().splitlines()
    line = next(i for i, text in enumerate(plan, 1) if KEY in text)
    for name in (AGGREGATOR, "col1"):
        said = (STAGE / f"shared-{name}.log").read_text()
        assert f"warning: plan/plan.yaml:{line}:" in said and f"{KEY}: all collaborators show one" in said, said[:600]


def a_certificate_of_ones_own_under_the_common_name_does_as_well():
    """No key need travel: a site asks for the common name itself, and names the files after itself."""
    agg, site = ENV["sites"][AGGREGATOR], ENV["sites"]["col2"]
    cols = (agg / "plan/cols.yaml").read_text()
    site.run("vouch", "collaborator", "generate-cert-request", "-n", SHARED, "-s")
    agg.run("vouch", "collaborator", "certify", "-r", site / f"col_{SHARED}_to_agg_cert_request.zip", "-s")
    (agg / "plan/cols.yaml").write_text(cols)
    site.run("vouch", "collaborator", "certify", "-i", agg / f"agg_to_col_{SHARED}_signed_cert.zip")
    shared = ENV["sites"]["col1"] / "cert/client/col_col1.key"
    for end in ("crt", "key"):
        shutil.copy(site / f"cert/client/col_{SHARED}.{end}", site / f"cert/client/col_col2.{end}")
    assert (site / "cert/client/col_col2.key").read_bytes() != shared.read_bytes()
    with start(AGGREGATOR, "two-keys") as aggregator:
        aggregator.event("aggregator.listening")
        for name in NAMES:
            status, text = run_to_its_end(name, "collaborator", "ping", "-n", name)
            assert status == 0 and "reached" in text, (status, text)


def refused(aggregator, name, reason, *words):
    """What `vouch collaborator ping` and `start` of a site are told, and what the log says of it."""
    for verb in ("ping", "start"):
        status, text = run_to_its_end(name, "collaborator", verb, *words)
        assert status == 1 and reason in text, (verb, status, text)
    return [e for e in aggregator.events("call.refused") if reason in e["reason"]]


def who_does_not_show_the_one_certificate_or_is_not_listed_is_refused():
    sites = ENV["sites"]
    outsider = sites["col3"] = Site(STAGE / "col3", PROGRAMS)
    shutil.copytree(sites["col1"].directory, outsider.directory, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("state"))
    for end in ("crt", "key"):
        (outsider / f"cert/client/col_col1.{end}").rename(outsider / f"cert/client/col_col3.{end}")
        shutil.copy(outsider / f"cert/client/own.{end}", outsider / f"cert/client/col_col1.{end}")
    data = (outsider / "plan/data.yaml").read_text()
    (outsider / "plan/data.yaml").write_text(data + data.replace("col1", "col3", 1))
    with start(AGGREGATOR, "refusals") as aggregator:
        aggregator.event("aggregator.listening")
        # under its own name, which is in cols.yaml, and signed by the federation's authority
        said = refused(aggregator, "col3", f"the certificate is of 'col1', not of '{SHARED}'", "-n", "col1")
        assert said and all(e["peer"] == "col1" for e in said), said
        # the one certificate, in the hands of somebody who is not in cols.yaml
        said = refused(aggregator, "col3", "'col3' is not in cols.yaml", "-n", "col3")
        assert said and all(e["peer"] == SHARED for e in said), said
        assert not aggregator.events("result.taken"), aggregator.tail()


def a_header_with_another_common_name_or_none_is_refused_for_every_method():
    uuid = ENV["sites"][AGGREGATOR].ask("vouch", "plan", "hash")["federation_uuid"]
    head = field(1, "col1") + field(2, "aggregator_" + uuid) + field(3, uuid)
    with start(AGGREGATOR, "headers") as aggregator:
        aggregator.event("aggregator.listening")
        with Peer(ENV["port"], ENV["sites"]["col1"], "col1") as one:
            assert b"aggregator_" in one.call("Ping", field(1, head + field(4, SHARED)))
            for wrong in (b"", field(4, "col1"), field(4, SHARED + "x")):
                for method in ("Ping", "GetTasks", "GetAggregatedTensor", "GetAggregatedTensors"):
                    before = len(aggregator.events("call.refused"))
                    one.call(method, field(1, head + wrong))
                    reasons = [e["reason"] for e in aggregator.events("call.refused")[before:]]
                    assert len(reasons) == 1 and KEY in reasons[0], (method, wrong, reasons)


def killed_in_the_middle_of_a_round_they_go_on_and_the_model_is_the_same():
    with start(AGGREGATOR, "killed") as aggregator, start("col1", "killed") as one:
        aggregator.event("result.taken", collaborator="col1", task="train")  # the round waits for col2, too
        for process in (aggregator, one):
            process.child.kill()
            process.child.wait()
    model, process = play("again")
    assert process.events("federation.resumed") and model == ENV["model"], process.tail()
    trained = [e for e in process.events("result.taken") if (e["collaborator"], e["task"]) == ("col1", "train")]
    assert len(trained) == ROUNDS - 1, trained  # that of round 0 was known as its


try:
    tap.run(
        two_members_train_under_certificates_of_their_own,
        a_certificate_is_made_for_all_and_copied_to_each_under_its_own_name,
        two_members_with_one_certificate_end_with_the_same_model_bit_for_bit,
        both_sides_warn_at_the_plans_line,
        a_certificate_of_ones_own_under_the_common_name_does_as_well,
        who_does_not_show_the_one_certificate_or_is_not_listed_is_refused,
        a_header_with_another_common_name_or_none_is_refused_for_every_method,
        killed_in_the_middle_of_a_round_they_go_on_and_the_model_is_the_same,
    )
finally:
    if "VOUCH_KEEP" not in os.environ:
        shutil.rmtree(STAGE, ignore_errors=True)
