#!/usr/bin/env python3
"""A federation without attestation, by the commands that a user would type.

usage: plain_federation_test.py DIRECTORY-OF-PROGRAMS
"""
import ast
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile

import tap
from federation import DIGITS, Process, Site
from ports import free_port

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-plain-"))
NAMES = ("col1", "col2", "col3")
LOG = ("--log-format", "json", "--log-level", "info")
LOGS = {"    db_store_rounds: 2\n": "    db_store_rounds: 2\n    write_logs: true\n",
        "db_store_rounds: 1}": "db_store_rounds: 1, write_logs: true}"}
STRAGGLERS = """straggler_handling_policy:
  template: openfl.component.aggregator.straggler_handling.CutoffTimePolicy
  settings: {straggler_cutoff_time: 1, minimum_reporting: 2}
"""
ENV = {}


def write_plan(site, rounds=6, policy=STRAGGLERS, **settings):
    text = ENV["plan"]
    for old, new in {"rounds_to_train: 10": f"rounds_to_train: {rounds}", "agg_addr: auto": "agg_addr: localhost",
                     "agg_port: auto": f"agg_port: {ENV['port']}", **settings}.items():
        assert old in text, old
        text = text.replace(old, new)
    (site / "plan/plan.yaml").write_text(text + policy)


def our_commands_make_the_workspaces_and_the_pki():
    desk = Site(STAGE / "desk", PROGRAMS)
    desk.run("vouch", "workspace", "create", "--prefix", STAGE / "template")
    ENV["plan"] = (STAGE / "template/plan/plan.yaml").read_text()
    ENV["port"] = free_port()
    agg = ENV["agg"] = Site(STAGE / "aggregator", PROGRAMS)
    write_plan(agg, **LOGS)
    agg.run("vouch", "workspace", "certify")
    agg.run("vouch", "aggregator", "generate-cert-request", "--fqdn", "localhost")
    agg.run("vouch", "aggregator", "certify", "--fqdn", "localhost", "-s")
    for i, name in enumerate(NAMES):
        site = ENV[name] = Site(STAGE / name, PROGRAMS)
        site.run("vouch", "collaborator", "generate-cert-request", "-n", name, "-s")
        agg.run("vouch", "collaborator", "certify", "-r", site / f"col_{name}_to_agg_cert_request.zip", "-s")
        site.run("vouch", "collaborator", "certify", "-i", agg / f"agg_to_col_{name}_signed_cert.zip")
        write_plan(site, **LOGS)
        shutil.copy(DIGITS, site / "data/optdigits.csv")
        (site / "plan/data.yaml").write_text(f"{name},data/optdigits.csv#{i}/{len(NAMES)}\n")
    agg.run("vouch", "plan", "initialize")


def aggregator(label, *words):
    site = ENV["agg"]
    listen = ("--listen", f"127.0.0.1:{ENV['port']}")
    return Process([PROGRAMS / "vouch", "aggregator", "start", *listen, *LOG, *words], site.directory,
                   STAGE / f"{label}-aggregator.log")


def collaborator(label, name, *words):
    return Process([PROGRAMS / "vouch", "collaborator", "start", "-n", name, *LOG, *words],
                   ENV[name].directory, STAGE / f"{label}-{name}.log")


def one_that_comes_after_round_1_takes_part_from_there_without_a_restart():
    with aggregator("first") as agg:
        agg.event("aggregator.listening")
        with collaborator("first", "col1") as one, collaborator("first", "col2") as two:
            agg.event("round.finished", round=1)
            with collaborator("first", "col3") as three:
                for process in (one, two, three):
                    assert process.wait(60) == 0, process.tail()
                assert agg.wait(60) == 0, agg.tail()
        rounds = agg.events("round.finished")
    assert [r["round"] for r in rounds] == list(range(6)), rounds
    assert [r["reported"] for r in rounds[:2]] == [2, 2], rounds
    assert rounds[-1]["reported"] == 3, rounds
    ENV["rounds"], ENV["log"] = rounds, agg.log.read_text()


def the_model_learns_and_best_last_and_final_are_saved():
    assert float(ENV["rounds"][-1]["accuracy"]) >= 0.93, ENV["rounds"]
    files = {name: (ENV["agg"] / f"save/{name}.pbuf").read_bytes() for name in ("best", "last", "final")}
    assert files["last"] != files["final"]
    # what was kept in case of a crash is gone; the record of what happened stays
    kept = [f.name for f in (ENV["agg"] / "state").rglob("*") if f.is_file()]
    assert kept and all(name == "lock" or name.startswith("journal-") for name in kept), kept


def every_metric_is_a_line_and_a_json_object():
    lines = [ast.literal_eval(line.split(None, 1)[1]) for line in ENV["log"].splitlines() if line.startswith("METRIC")]
    objects = [json.loads(line) for line in (ENV["agg"] / "logs/aggregator_metrics.jsonl").read_text().splitlines()]
    assert lines == objects
    last = [o for o in objects if o["round"] == 5 and o["metric_origin"] == "aggregator"]
    assert {o["task_name"] for o in last} == {"aggregated_model_validation", "train",
                                             "locally_tuned_model_validation"}, last
    rounds = [json.loads(line) for line in (ENV["agg"] / "logs/aggregator_metrics.txt").read_text().splitlines()]
    assert [r["round_number"] for r in rounds] == list(range(6)) and rounds[5]["elapsed_seconds"] > 0, rounds
    assert {f"aggregator/{o['task_name']}/{o['metric_name']}": o["metric_value"] for o in last} == \
        {k: v for k, v in rounds[5].items() if "/" in k}, rounds[5]
    own = [json.loads(line) for line in (ENV["col1"] / "logs/col1_metrics.txt").read_text().splitlines()]
    assert [r["round_number"] for r in own] == list(range(6)), own
    assert [{k: r[k] for k in r if "/" in k} for r in own] == \
        [{f"col1/{o['task_name']}/{o['metric_name']}": o["metric_value"] for o in objects
          if (o["metric_origin"], o["round"]) == ("col1", n)} for n in range(6)], own
    # two members in rounds 0 and 1, each three metrics, and their means
    assert len([o for o in objects if o["round"] == 0]) == 9


def a_run_repeats_to_the_bit():
    first = (ENV["agg"] / "save/final.pbuf").read_bytes()
    for site in [ENV["agg"]] + [ENV[name] for name in NAMES]:
        write_plan(site, rounds=3, policy="")
    results = []
    for label in ("once", "twice"):
        with aggregator(label) as agg:
            with collaborator(label, "col1") as a, collaborator(label, "col2") as b, collaborator(label, "col3") as c:
                for process in (a, b, c):
                    assert process.wait(60) == 0, process.tail()
            assert agg.wait(60) == 0, agg.tail()
        results.append((ENV["agg"] / "save/final.pbuf").read_bytes())
    assert results[0] == results[1] != first


def collaborators_wait_for_an_aggregator_that_starts_late():
    with collaborator("late", "col1") as one:
        one.event("aggregator.trouble")
        with aggregator("late") as agg:
            agg.event("admission.admitted", name="col1")


def a_killed_collaborator_that_comes_back_goes_on():
    for site in [ENV["agg"]] + [ENV[name] for name in NAMES]:
        write_plan(site, rounds=4, policy="")
    with aggregator("killed") as agg:
        with collaborator("killed", "col1") as one, collaborator("killed", "col2") as two:
            agg.event("result.taken", collaborator="col1", task="locally_tuned_model_validation")
            one.child.kill()
            with collaborator("again", "col1") as again, collaborator("killed", "col3") as three:
                for process in (again, two, three):
                    assert process.wait(60) == 0, process.tail()
                assert agg.wait(60) == 0, agg.tail()
        assert len(agg.events("round.finished")) == 4


def run_to_its_end(words, site):
    done = subprocess.run([PROGRAMS / "vouch", *words], cwd=site.directory, text=True, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def saved_models():
    return {f.name: (f.read_bytes(), f.stat().st_mtime_ns) for f in (ENV["agg"] / "save").glob("*.pbuf")}


def the_group_evaluation_runs_once_on_the_initial_model_and_saves_nothing():
    agg = ENV["agg"]
    for site in [agg] + [ENV[name] for name in NAMES]:
        write_plan(site, rounds=4, policy="", **{
            "task_groups:\n": "task_groups:\n    - {name: evaluation, percentage: 0, "
                              "tasks: [aggregated_model_validation]}\n"})
    (agg / "save/init.pbuf").rename(agg / "save/kept.pbuf")
    shutil.copy(agg / "save/final.pbuf", agg / "save/init.pbuf")  # the model to be judged, of round 4 of 4
    before = saved_models()
    with aggregator("evaluation", "--task_group", "evaluation") as process:
        process.event("aggregator.listening")
        with collaborator("evaluation", "col1") as a, collaborator("evaluation", "col2") as b, \
                collaborator("evaluation", "col3") as c:
            for one in (a, b, c):
                assert one.wait(60) == 0, one.tail()
        assert process.wait(60) == 0, process.tail()
        rounds = process.events("round.finished")
        taken = {r["task"] for r in process.events("result.taken")}
    assert [r["round"] for r in rounds] == [0] and float(rounds[0]["accuracy"]) >= 0.9, rounds
    assert taken == {"aggregated_model_validation"}, taken
    assert saved_models() == before
    (agg / "save/kept.pbuf").rename(agg / "save/init.pbuf")
    expect_fault(["aggregator", "start", "--task_group", "nonsense"], agg, r"0 groups are called 'nonsense'")
    for site in [agg] + [ENV[name] for name in NAMES]:
        write_plan(site, rounds=4, policy="")


def ping(*words):
    return run_to_its_end(["collaborator", "ping", *words], ENV["col1"])


def a_collaborator_pings_its_aggregator_and_starts_nothing():
    at = f"localhost:{ENV['port']}"
    status, text = ping("-n", "col1")
    assert status == 3, (status, text)  # nobody is there
    with aggregator("ping") as agg:
        agg.event("aggregator.listening")
        status, text = ping("-n", "col1")
        assert status == 0 and f"{at}: reached" in text and "aggregator_plan.yaml_" in text, (status, text)
        assert not agg.events("result.taken") and not agg.events("round.began"), agg.tail()
        status, text = ping("-n", "col1", "--federation-uuid", "plan.yaml_00000000")
        assert status == 1 and "another federation or plan" in text, (status, text)


def a_saved_model_is_an_archive_of_arrays_with_the_models_values():
    agg = ENV["agg"]
    agg.run("vouch", "model", "save", "-i", "save/final.pbuf", "-o", "model.npz")
    pbuf = (agg / "save/final.pbuf").read_bytes()
    with zipfile.ZipFile(agg / "model.npz") as archive:
        assert sorted(archive.namelist()) == ["layer0.bias.npy", "layer0.weight.npy", "layer1.bias.npy",
                                              "layer1.weight.npy"], archive.namelist()
        for name in archive.namelist():
            array = archive.read(name)
            assert array.startswith(b"\x93NUMPY\x01\x00") and b"'descr': '<f4'" in array[:128], array[:128]
            assert len(array) > 128 and array[128:] in pbuf, name
    # one that is there is replaced after a yes only
    status, text = run_to_its_end(["model", "save", "-i", "save/last.pbuf", "-o", "model.npz"], agg)
    assert status == 1 and "overwrite model.npz" in text, (status, text)
    agg.run("vouch", "model", "save", "-i", "save/last.pbuf", "-o", "model.npz", "-s")
    status, text = run_to_its_end(["model", "save", "-i", "plan/plan.yaml"], agg)
    assert status == 2 and not (agg / "output_model").exists(), (status, text)


def a_certificate_of_another_authority_is_refused():
    stranger = Site(STAGE / "stranger", PROGRAMS)
    stranger.run("vouch", "workspace", "certify")
    stranger.run("vouch", "collaborator", "generate-cert-request", "-n", "col1", "-s", "-x")
    stranger.run("vouch", "collaborator", "certify", "-n", "col1", "-s")
    shutil.copy(ENV["agg"] / "cert/cert_chain.crt", stranger / "cert/cert_chain.crt")
    for name in ("plan/plan.yaml", "plan/data.yaml", "data/optdigits.csv"):
        shutil.copy(ENV["col1"] / name, stranger / name)
    with aggregator("stranger") as agg:
        agg.event("aggregator.listening")
        status, text = run_to_its_end(["collaborator", "start", "-n", "col1"], stranger)
        assert status == 1, (status, text)
        refusal = agg.event("admission.refused")
        assert refusal["code"] == "pki", refusal


def a_name_that_is_not_in_cols_is_refused():
    cols = (ENV["agg"] / "plan/cols.yaml")
    kept = cols.read_text()
    cols.write_text("collaborators: [col1, col2]\n")
    with aggregator("unlisted") as agg:
        agg.event("aggregator.listening")
        status, text = run_to_its_end(["collaborator", "start", "-n", "col3"], ENV["col3"])
        assert status == 1 and "'col3' is not in cols.yaml" in text, (status, text)
    cols.write_text(kept)


def another_plan_is_refused():
    write_plan(ENV["col2"], rounds=4, policy="", **{"learning_rate: 0.2": "learning_rate: 0.3"})
    with aggregator("other-plan") as agg:
        agg.event("aggregator.listening")
        status, text = run_to_its_end(["collaborator", "start", "-n", "col2"], ENV["col2"])
        assert status == 1 and "another federation or plan" in text, (status, text)
    write_plan(ENV["col2"], rounds=4, policy="")


def a_signal_ends_both_roles_cleanly():
    with aggregator("signal") as agg:
        agg.event("aggregator.listening")
        with collaborator("signal", "col1") as one:
            agg.event("result.taken", collaborator="col1", task="locally_tuned_model_validation")
            began = time.monotonic()
            one.child.send_signal(signal.SIGTERM)
            assert one.wait(10) == 0, one.tail()
            agg.child.send_signal(signal.SIGINT)
            assert agg.wait(10) == 0, agg.tail()
            assert time.monotonic() - began < 8


def expect_fault(words, site, *patterns):
    status, text = run_to_its_end(words, site)
    assert status == 2, (status, text)
    for pattern in patterns:
        assert re.search(pattern, text), (pattern, text)


def whatever_is_missing_or_wrong_is_named_and_ends_the_start():
    agg, col = ENV["agg"], ENV["col1"]
    bare = Site(STAGE / "bare", PROGRAMS)
    start_agg, start_col = ["aggregator", "start"], ["collaborator", "start", "-n", "col1"]
    for name in ("plan/plan.yaml", "plan/data.yaml", "data/optdigits.csv"):
        shutil.copy(col / name, bare / name)
    (bare / "plan/cols.yaml").write_text("collaborators: [col1]\n")
    (bare / "save").mkdir(exist_ok=True)
    expect_fault(start_agg, bare, r"no initial model", r"save/init\.pbuf")
    shutil.copy(agg / "save/init.pbuf", bare / "save/init.pbuf")
    # every missing file of the PKI at once
    expect_fault(start_agg, bare, r"server/agg_localhost\.crt", r"server/agg_localhost\.key", r"cert_chain\.crt")
    expect_fault(start_col, bare, r"client/col_col1\.crt", r"client/col_col1\.key", r"cert_chain\.crt")
    expect_fault([*start_agg, "-p", "plan/nothing.yaml"], bare, r"the plan: .*plan/nothing\.yaml")
    expect_fault([*start_col, "--attestation", "plan/nothing.yaml"], bare, r"plan/nothing\.yaml")
    plan = (bare / "plan/plan.yaml").read_text()
    (bare / "plan/plan.yaml").write_text(plan.replace("rounds_to_train: 4", "rounds_to_train: 0x"))
    expect_fault(start_agg, bare, r"plan/plan\.yaml:\d+:\d+: .*rounds_to_train")
    (bare / "plan/plan.yaml").write_text(plan.replace("learning_rate", "learing_rate"))
    expect_fault(start_col, bare, r"plan/plan\.yaml:\d+:\d+: .*learing_rate.*learning_rate")
    (bare / "plan/plan.yaml").write_text(plan)
    (bare / "plan/data.yaml").write_text("col2,data/optdigits.csv\n")
    expect_fault(start_col, bare, r"data\.yaml", r"col1")
    (bare / "plan/data.yaml").write_text("col1,data/nothing.csv#0/3\n")
    expect_fault(start_col, bare, r"data/nothing\.csv")
    (bare / "data/spoilt.csv").write_text("a,label\n1,0\nx,1\n")
    (bare / "plan/data.yaml").write_text("col1,data/spoilt.csv\n")
    expect_fault(start_col, bare, r"data/spoilt\.csv:3:1: not a number")
    expect_fault(["aggregator", "start", "--listen", "nowhere"], agg, r"ADDR:PORT")
    # a damaged model beside good keys, which are read at the same time
    (agg / "save/init.pbuf").rename(agg / "save/kept.pbuf")
    (agg / "save/init.pbuf").write_bytes((agg / "save/kept.pbuf").read_bytes()[:-9])
    expect_fault(start_agg, agg, r"model file 'save/init\.pbuf'")
    (agg / "save/kept.pbuf").rename(agg / "save/init.pbuf")


def enabled_but_not_configured_never_goes_on_without():
    agg = ENV["agg"]
    plan = (agg / "plan/plan.yaml").read_text()
    (agg / "plan/plan.yaml").write_text(
        plan.replace("    rounds_to_train: 4\n", "    rounds_to_train: 4\n    enable_remote_attestation: true\n"))
    expect_fault(["aggregator", "start"], agg, r"plan/plan\.yaml:8:\d+: enable_remote_attestation is true",
                 r"plan/attestation\.yaml is missing")
    (agg / "plan/plan.yaml").write_text(plan)
    expect_fault(["aggregator", "start", "--secure"], agg, r"--secure: .*not attested")
    expect_fault(["collaborator", "start", "-n", "col1", "-s"], ENV["col1"], r"--secure: .*not attested")


try:
    tap.run(
        our_commands_make_the_workspaces_and_the_pki,
        one_that_comes_after_round_1_takes_part_from_there_without_a_restart,
        the_model_learns_and_best_last_and_final_are_saved,
        every_metric_is_a_line_and_a_json_object,
        a_run_repeats_to_the_bit,
        collaborators_wait_for_an_aggregator_that_starts_late,
        a_killed_collaborator_that_comes_back_goes_on,
        a_saved_model_is_an_archive_of_arrays_with_the_models_values,
        the_group_evaluation_runs_once_on_the_initial_model_and_saves_nothing,
        a_collaborator_pings_its_aggregator_and_starts_nothing,
        a_certificate_of_another_authority_is_refused,
        a_name_that_is_not_in_cols_is_refused,
        another_plan_is_refused,
        a_signal_ends_both_roles_cleanly,
        whatever_is_missing_or_wrong_is_named_and_ends_the_start,
        enabled_but_not_configured_never_goes_on_without,
    )
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
