#!/usr/bin/env python3
"""Nothing is lost: aggregators and collaborators that are killed, and what they make in the end.

usage: durability_test.py DIRECTORY-OF-PROGRAMS NUMBER-OF-KILLS
"""
import hashlib
import pathlib
import random
import shutil
import sys
import tempfile
import time

import tap
from federation import Process, Site, free_port

PROGRAMS, KILLS = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2])
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-durability-"))
NAMES = ("col1", "col2")
LOG = ("--log-format", "json", "--log-level", "info")
ENV = {}


def write_plan(site, rounds, **settings):
    text = ENV["plan"]
    for old, new in {"rounds_to_train: 10": f"rounds_to_train: {rounds}", "agg_addr: auto": "agg_addr: localhost",
                     "agg_port: auto": f"agg_port: {ENV['port']}", "hidden: [32]": "hidden: [4]",
                     "epochs: 5": "epochs: 1", **settings}.items():
        assert old in text, old
        text = text.replace(old, new)
    (site / "plan/plan.yaml").write_text(text)


def plan_for_all(rounds, **settings):
    for site in [ENV["agg"]] + [ENV[n] for n in NAMES]:
        write_plan(site, rounds, **settings)
        shutil.rmtree(site / "state", ignore_errors=True)
    ENV["agg"].run("vouch", "plan", "initialize")


def a_federation_of_tiny_sites():
    Site(STAGE / "desk", PROGRAMS).run("vouch", "workspace", "create", "--prefix", STAGE / "template")
    ENV["plan"] = (STAGE / "template/plan/plan.yaml").read_text()
    ENV["port"] = free_port()
    agg = ENV["agg"] = Site(STAGE / "aggregator", PROGRAMS)
    write_plan(agg, 3)
    agg.run("vouch", "workspace", "certify")
    agg.run("vouch", "aggregator", "generate-cert-request", "--fqdn", "localhost")
    agg.run("vouch", "aggregator", "certify", "--fqdn", "localhost", "-s")
    for i, name in enumerate(NAMES):
        site = ENV[name] = Site(STAGE / name, PROGRAMS)
        site.run("vouch", "collaborator", "generate-cert-request", "-n", name, "-s")
        agg.run("vouch", "collaborator", "certify", "-r", site / f"col_{name}_to_agg_cert_request.zip", "-s")
        site.run("vouch", "collaborator", "certify", "-i", agg / f"agg_to_col_{name}_signed_cert.zip")
        lines = [",".join(f"p{j}" for j in range(64)) + ",label"]
        rows = random.Random(i)
        lines += [",".join(str(rows.randrange(17)) for _ in range(64)) + f",{r % 10}" for r in range(40)]
        (site / "data/digits.csv").write_text("\n".join(lines) + "\n")
        (site / "plan/data.yaml").write_text(f"{name},data/digits.csv\n")


def start(role, label):
    """A process in its site; the aggregator is `agg`."""
    words = ["aggregator", "start", "--listen", f"127.0.0.1:{ENV['port']}"] if role == "agg" else \
        ["collaborator", "start", "-n", role]
    return Process([PROGRAMS / "vouch", *words, *LOG], ENV[role].directory, STAGE / f"{label}-{role}.log")


def final():
    return hashlib.sha256((ENV["agg"] / "save/final.pbuf").read_bytes()).hexdigest()


def undisturbed(rounds, label):
    began = time.monotonic()
    with start("agg", label) as agg, start("col1", label) as one, start("col2", label) as two:
        agg.event("aggregator.listening")
        listening = time.monotonic() - began
        for process in (one, two, agg):
            assert process.wait(120) == 0, process.tail()
        assert len(agg.events("round.finished")) == rounds
    # a start and a round: what there is to hit, on this machine at this hour
    ENV["pace"] = listening + (time.monotonic() - began) / rounds
    return final()


def counted_twice(metrics):
    """Rounds of the metrics file in which a member reports one metric with two values."""
    import json
    seen = {}
    for line in metrics.read_text().splitlines():
        one = json.loads(line)
        key = (one["metric_origin"], one["task_name"], one["metric_name"], one["round"])
        if seen.setdefault(key, one["metric_value"]) != one["metric_value"]:
            return key
    return None


def a_run_with_kills(rounds, label, kills, victims):
    """Kill one of `victims` after a random time, start it again, until the rounds are done."""
    running = {role: start(role, label) for role in ("agg", *NAMES)}
    number, killed = 0, 0
    try:
        while running["agg"].child.poll() is None:
            time.sleep(ENV["random"].uniform(0.0, 3 * ENV["pace"]))
            role = ENV["random"].choice(victims)
            if killed >= kills or running["agg"].child.poll() is not None:
                continue
            if running[role].child.poll() is not None:
                continue
            running[role].child.kill()
            running[role].__exit__()
            killed, number = killed + 1, number + 1
            running[role] = start(role, f"{label}-{number}")
        assert running["agg"].wait(1) == 0, running["agg"].tail()
        for name in NAMES:
            assert running[name].wait(60) == 0, running[name].tail()
    finally:
        for process in running.values():
            process.__exit__()
    assert counted_twice(ENV["agg"] / "logs/aggregator_metrics.jsonl") is None
    return killed


def kill_until(victims, total, label, rounds=12):
    ENV["random"] = random.Random(7)
    plan_for_all(rounds)
    want = undisturbed(rounds, f"{label}-undisturbed")
    done, runs = 0, 0
    while done < total:
        for site in [ENV["agg"]] + [ENV[n] for n in NAMES]:
            shutil.rmtree(site / "state", ignore_errors=True)
        (ENV["agg"] / "logs/aggregator_metrics.jsonl").unlink()
        (ENV["agg"] / "save/final.pbuf").unlink()
        killed = a_run_with_kills(rounds, f"{label}-{runs}", total - done, victims)
        assert final() == want, f"after {killed} kills another model"
        assert killed > 0
        done, runs = done + killed, runs + 1
    print(f"# {done} kills in {runs} runs of {rounds} rounds")


def the_aggregator_may_be_killed_at_any_moment_and_the_model_is_the_same():
    kill_until(["agg"], KILLS, "agg")


try:
    tap.run(
        a_federation_of_tiny_sites,
        the_aggregator_may_be_killed_at_any_moment_and_the_model_is_the_same,
    )
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
