#!/usr/bin/env python3
"""Nothing is lost: aggregators and collaborators that are killed, and what they make in the end.

usage: durability_test.py DIRECTORY-OF-PROGRAMS FAULT-DISK-LIBRARY NUMBER-OF-KILLS
"""
import datetime
import hashlib
import pathlib
import random
import shutil
import sys
import tempfile
import time

import tap
from federation import Process, Site
from ports import free_port

PROGRAMS, FAULTS, KILLS = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), int(sys.argv[3])
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-durability-"))
NAMES = ("col1", "col2")
LOG = ("--log-format", "json", "--log-level", "info")
ENV = {}
STARTED = []


def write_plan(site, rounds, **settings):
    text = ENV["plan"]
    for old, new in {"rounds_to_train: 10": f"rounds_to_train: {rounds}", "agg_addr: auto": "agg_addr: localhost",
                     "agg_port: auto": f"agg_port: {ENV['port']}", "hidden: [32]": "hidden: [4]",
                     "epochs: 5": "epochs: 1", **settings}.items():
        assert old in text, old
        text = text.replace(old, new)
    (site / "plan/plan.yaml").write_text(text)


def plan_for_all(rounds, **settings):
    stop_all()
    for site in [ENV["agg"]] + [ENV[n] for n in NAMES]:
        write_plan(site, rounds, **settings)
        shutil.rmtree(site / "state", ignore_errors=True)
    ENV["agg"].run("vouch", "plan", "initialize")


LONG = 12  # rounds, of which col2 plays some before it dies: see in_the_middle


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


def start(role, label, words=(), **faults):
    """A process in its site; the aggregator is `agg`. With faults (see fault_disk.c) on that disk."""
    environment = {f"FAULT_{k.upper()}": str(v) for k, v in faults.items()}
    if faults:
        environment["LD_PRELOAD"] = str(FAULTS)
    more = words
    words = ["aggregator", "start", "--listen", f"127.0.0.1:{ENV['port']}"] if role == "agg" else \
        ["collaborator", "start", "-n", role]
    process = Process([PROGRAMS / "vouch", *words, *more, *LOG], ENV[role].directory, STAGE / f"{label}-{role}.log",
                      environment)
    STARTED.append(process)
    return process


def stop_all():
    """Whom a test that failed has left behind; the next one wants their port."""
    while STARTED:
        STARTED.pop().__exit__()


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


def unaware(running, killed_at):
    """Who may have been told that all is over when it was dead, or died before it kept that: nothing is lost, but
    it asks for ever."""
    for event in running["agg"].events("federation.finished"):
        ended = datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()
        return {role for role, at in killed_at.items() if at > ended - 1}
    return set()


def is_over(running, killed_at):
    """The aggregator has made the last model, and whoever can was told: what starts now is another run."""
    if not running["agg"].events("federation.finished"):
        return False
    time.sleep(0.5)
    return all(running[name].child.poll() == 0 for name in set(NAMES) - unaware(running, killed_at))


def a_run_with_kills(rounds, label, kills, victims):
    """Kill one of `victims` after a random time, start it again, until the rounds are done."""
    running = {role: start(role, label) for role in ("agg", *NAMES)}
    number, killed, killed_at = 0, 0, {}
    try:
        while running["agg"].child.poll() is None:
            time.sleep(ENV["random"].uniform(0.0, 2 * ENV["pace"]))
            role = ENV["random"].choice(victims)
            if killed >= kills or running["agg"].child.poll() is not None:
                continue
            if running[role].child.poll() is not None:
                continue
            running[role].child.kill()
            running[role].__exit__()
            killed_at[role] = time.time()
            killed, number = killed + 1, number + 1
            if role == "agg" and is_over(running, killed_at):
                break
            running[role] = start(role, f"{label}-{number}")
        else:
            assert running["agg"].wait(1) == 0, running["agg"].tail()
        for name in set(NAMES) - unaware(running, killed_at):
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
        assert runs < 10 * total, "the rounds are over before anybody can be killed"
        done, runs = done + killed, runs + 1
    print(f"# {done} kills in {runs} runs of {rounds} rounds")


def the_aggregator_may_be_killed_at_any_moment_and_the_model_is_the_same():
    kill_until(["agg"], KILLS, "agg")


def a_collaborator_may_be_killed_at_any_moment_and_the_model_is_the_same():
    kill_until(["col1", "col2"], KILLS, "col")


def whoever_is_killed_the_model_is_the_same():
    kill_until(["agg", "col1", "col2"], KILLS, "all")


def clean_run(rounds):
    """Everything as before the first round, and the model that an undisturbed run makes."""
    plan_for_all(rounds)
    want = undisturbed(rounds, "clean")
    begin_anew()
    return want


def begin_anew():
    for site in [ENV["agg"]] + [ENV[n] for n in NAMES]:
        shutil.rmtree(site / "state", ignore_errors=True)
    for name in ("logs/aggregator_metrics.jsonl", "save/final.pbuf"):
        (ENV["agg"] / name).unlink(missing_ok=True)


def kill_at_every_call(victim, how):
    """The n-th process of one run dies at its n-th write, sync, rename or removal, until one outlives them all."""
    rounds = 40  # more than all these deaths can use up
    want = clean_run(rounds)
    running = {role: start(role, f"{how}-0") for role in ("agg", *NAMES) if role != victim}
    deaths, n, lasted = [], 0, False
    try:
        while not lasted:
            n += 1
            running[victim] = start(victim, f"{how}-{n}", **{how: n})
            status = running[victim].wait(90)
            assert status in (-9, 0), (status, running[victim].tail())
            lasted = status == 0
            deaths += [] if lasted else [n]
            running[victim].__exit__()
            if n == ENV["calls"]:
                break
        if not lasted:
            running[victim] = start(victim, f"{how}-last")
        for role in ("agg", *NAMES):
            if role != victim or not lasted:
                assert running[role].wait(90) == 0, running[role].tail()
    finally:
        for process in running.values():
            process.__exit__()
    assert final() == want, "another model"
    assert counted_twice(ENV["agg"] / "logs/aggregator_metrics.jsonl") is None
    print(f"# {victim}: {len(deaths)} deaths, at every call from {deaths[0]} to {deaths[-1]} ({how})")
    return len(deaths)


def calls_of_a_start_and_a_round(role):
    """How many calls a process makes until its first whole round is over; what the tests above go through."""
    plan_for_all(1)
    counted = STAGE / f"{role}-calls"
    counted.unlink(missing_ok=True)
    others = [r for r in ("agg", *NAMES) if r != role]
    processes = [start(r, "count") for r in others] + [start(role, "count", count=counted)]
    for process in processes:
        assert process.wait(60) == 0, process.tail()
        process.__exit__()
    return len(counted.read_bytes())


def the_aggregator_may_die_at_every_commit_point():
    ENV["calls"] = calls_of_a_start_and_a_round("agg")
    assert ENV["calls"] > 20, ENV["calls"]
    assert kill_at_every_call("agg", "kill") > 20


def half_of_every_write_may_be_done():
    ENV["calls"] = min(ENV["calls"], 45)
    assert kill_at_every_call("agg", "half") > 20


def a_collaborator_may_die_at_every_commit_point():
    ENV["calls"] = calls_of_a_start_and_a_round("col1")
    assert ENV["calls"] > 10, ENV["calls"]
    assert kill_at_every_call("col1", "kill") > 10


def with_fault(role, label, rounds=3, **faults):
    """A run with that fault in one process; returns the processes, still running."""
    return {r: start(r, label, **(faults if r == role else {})) for r in ("agg", *NAMES)}


def in_the_middle(label, role="agg", **faults):
    """The same, some rounds later: col2 has died, and the others wait for it. Whoever starts it again goes on."""
    running = {r: start(r, label, **(faults if r == role else {"kill": 60} if r == "col2" else {})) for r in ("agg", *NAMES)}
    assert running["col2"].wait(60) == -9, running["col2"].tail()
    running.pop("col2").__exit__()
    rounds = len(running["agg"].events("round.finished"))
    assert 2 <= rounds < LONG - 2, rounds
    return running


def end_well(running, want):
    try:
        for role in [one for one in (*NAMES, "agg") if one in running]:
            assert running[role].wait(90) == 0, running[role].tail()
        assert final() == want
    finally:
        for process in running.values():
            process.__exit__()


def short_writes_and_reads_change_nothing():
    plan_for_all(1)
    want = undisturbed(1, "whole")
    begin_anew()
    running = {r: start(r, "short", short=1) for r in ("agg", *NAMES)}
    end_well(running, want)


def one_of(process, *names):
    """Which of these events comes first."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for name in names:
            if process.events(name):
                return name
        time.sleep(0.05)
    raise AssertionError(f"none of {names}; the log ends:\n" + process.tail())


def a_full_disk_is_waited_out():
    want = clean_run(LONG)
    full = STAGE / "full"
    running = in_the_middle("full", full=full)
    full.touch()
    running["col2"] = start("col2", "full-again")
    one_of(running["agg"], "call.refused", "state.not_written")  # a result, or a round's end
    time.sleep(1)
    full.unlink()
    end_well(running, want)


def a_collaborators_full_disk_is_waited_out():
    want = clean_run(LONG)
    full = STAGE / "full-col"
    running = in_the_middle("full-col", "col1", full=full)
    full.touch()
    running["col2"] = start("col2", "full-col-again")
    running["col1"].event("task.failed")
    full.unlink()
    end_well(running, want)


def full_at_every_write(role):
    """Once each; the events of all runs. Results that come together are written together: a run may make more calls
    than the one that was counted."""
    calls = calls_of_a_start_and_a_round(role) + 10
    want = clean_run(1)
    seen, at_start = set(), 0
    for n in range(1, calls + 1):
        begin_anew()
        running = with_fault(role, f"no-space-{n}", nospace=n)
        one = running[role]
        status = one.wait(60)
        assert status in (0, 3), (n, status, one.tail())
        seen |= {name for name in ("call.refused", "state.not_written", "task.failed", "end.not_kept") if one.events(name)}
        if status == 3 and one.events("federation.finished"):  # all but that is on disk; docs/durability.md
            assert "the models are saved" in one.tail(), (n, one.tail())
            running.pop(role).__exit__()
            seen.add("the end")
        elif status == 3:
            assert not one.events("aggregator.listening" if role == "agg" else "aggregator.connected"), (n, one.tail())
            at_start += 1
            running[role] = start(role, f"space-{n}")
        end_well(running, want)
    assert 0 < at_start < calls // 2, (at_start, calls)
    return seen


def a_collaborators_disk_may_be_full_at_every_write():
    assert full_at_every_write("col1") >= {"task.failed", "end.not_kept"}


def an_aggregators_disk_may_be_full_at_every_write():
    """A result that finds no room is not acknowledged, and comes again; a round's end is tried again."""
    assert full_at_every_write("agg") >= {"call.refused", "state.not_written"}


def a_sync_that_fails_ends_the_process_and_the_next_goes_on():
    for role in ("agg", "col1"):
        want = clean_run(LONG)
        bad = STAGE / f"sync-{role}"
        running = in_the_middle(f"sync-{role}", role, sync=bad)
        bad.touch()
        running["col2"] = start("col2", f"sync-{role}-again")
        # a file that cannot be synced is not acknowledged, or sent; a journal that cannot be is the end
        time.sleep(1.5)
        bad.unlink()
        if running[role].wait(60) != 0:  # an aggregator lets go of its calls first, which takes a while
            assert running[role].child.returncode == 3, running[role].tail()
            assert "syncing" in running[role].tail(), running[role].tail()
            running[role] = start(role, f"sync-again-{role}")
        end_well(running, want)


def a_model_that_cannot_be_read_stops_the_start_and_nothing_is_lost():
    want = clean_run(LONG)
    running = in_the_middle("read")
    running["agg"].child.kill()
    running["agg"].__exit__()
    bad = STAGE / "read"
    bad.touch()
    with start("agg", "unreadable", read=bad) as process:
        assert process.wait(20) == 3, process.tail()
        assert "Input/output error" in process.tail() and "state/" in process.tail(), process.tail()
    running |= {role: start(role, "readable") for role in ("agg", "col2")}
    end_well(running, want)


def a_damaged_journal_or_model_stops_the_start_with_its_place():
    want = clean_run(LONG)
    running = in_the_middle("damage")
    running["agg"].child.kill()
    running["agg"].__exit__()
    state = next((ENV["agg"] / "state").glob("aggregator-*"))
    for pattern in ("journal-00000001", "model-*"):
        # of the models one may be nobody's any more, or not yet: its damage is none
        kept = {path: path.read_bytes() for path in state.glob(pattern) if not path.name.endswith(".tmp")}
        assert kept, pattern
        for path, content in kept.items():
            path.write_bytes(content[:150] + bytes([content[150] ^ 1]) + content[151:])
        with start("agg", "damaged") as process:
            assert process.wait(20) != 0, process.tail()
            assert any(path.name in process.tail() for path in kept), process.tail()
        for path, content in kept.items():
            path.write_bytes(content)
    running |= {role: start(role, "repaired") for role in ("agg", "col2")}
    end_well(running, want)


def a_damaged_update_is_asked_for_again():
    want = clean_run(LONG)
    with start("agg", "one") as agg, start("col1", "one") as one:
        agg.event("result.taken", collaborator="col1", task="train")
        one.child.kill()
        agg.child.kill()
    state = next((ENV["agg"] / "state").glob("aggregator-*"))
    spool = next(p for p in state.glob("spool-*") if not p.name.endswith(".tmp"))
    spoilt = bytearray(spool.read_bytes())
    spoilt[-1] ^= 1
    spool.write_bytes(spoilt)
    running = with_fault("agg", "asked-again")
    running["agg"].event("result.damaged", collaborator="col1")
    end_well(running, want)


def clocks_may_jump_both_ways():
    want = clean_run(LONG)
    clock = STAGE / "clock"
    clock.write_text("0")
    running = in_the_middle("clock", clock=clock)
    clock.write_text("-7200")
    with start("col2", "clock-again") as two:  # its certificate is not valid yet
        assert two.wait(60) not in (0, -9) and "certificate" in two.tail(), two.tail()
    clock.write_text("7200")
    running["col2"] = start("col2", "clock-last")
    end_well(running, want)


def two_processes_with_one_name_do_not_share_a_state():
    want = clean_run(LONG)
    running = in_the_middle("first")
    for role, words in (("agg", ["--listen", "127.0.0.1:0"]), ("col1", ())):
        with Process([PROGRAMS / "vouch", *(["aggregator", "start", *words] if role == "agg" else
                                            ["collaborator", "start", "-n", role]), *LOG], ENV[role].directory,
                     STAGE / f"second-{role}.log") as second:
            assert second.wait(20) == 2, second.tail()
            assert "another process is at work on" in second.tail(), second.tail()
    running["col2"] = start("col2", "first-again")
    end_well(running, want)


def another_plan_begins_anew_beside_and_the_first_goes_on():
    want = clean_run(LONG)
    running = in_the_middle("plan")
    for process in running.values():
        process.child.kill()
        process.__exit__()
    kept = {site.directory: (site / "plan/plan.yaml").read_text() for site in [ENV["agg"], ENV["col1"], ENV["col2"]]}
    for directory, text in kept.items():
        (directory / "plan/plan.yaml").write_text(text.replace("learning_rate: 0.2", "learning_rate: 0.3"))
    other = {r: start(r, "other-plan") for r in ("agg", *NAMES)}
    for role in (*NAMES, "agg"):
        assert other[role].wait(90) == 0, other[role].tail()
        other[role].__exit__()
    assert [e["round"] for e in other["agg"].events("round.finished")] == list(range(LONG))
    assert final() != want
    for directory, text in kept.items():
        (directory / "plan/plan.yaml").write_text(text)
    running = {r: start(r, "same-plan") for r in ("agg", *NAMES)}
    assert running["agg"].event("federation.resumed")["round"] >= 2
    end_well(running, want)


def a_collaborator_refuses_an_aggregator_that_was_set_back():
    clean_run(LONG)
    running = in_the_middle("back")
    for process in running.values():
        process.child.kill()
        process.__exit__()
    shutil.rmtree(ENV["agg"] / "state")  # the host restores an old disk
    with start("agg", "set-back") as agg, start("col1", "set-back") as one:
        agg.event("aggregator.listening")
        assert one.wait(30) == 1, one.tail()
        assert "it was set back" in one.tail() and "state/collaborator-" in one.tail(), one.tail()


def a_lost_collaborator_ends_no_round_without_a_quorum_and_comes_back():
    want = clean_run(LONG)
    running = in_the_middle("lost")
    time.sleep(1.5)
    assert running["agg"].child.poll() is None
    running["col2"] = start("col2", "back-again")
    end_well(running, want)


try:
    tap.run(
        a_federation_of_tiny_sites,
        the_aggregator_may_be_killed_at_any_moment_and_the_model_is_the_same,
        a_collaborator_may_be_killed_at_any_moment_and_the_model_is_the_same,
        whoever_is_killed_the_model_is_the_same,
        the_aggregator_may_die_at_every_commit_point,
        half_of_every_write_may_be_done,
        a_collaborator_may_die_at_every_commit_point,
        short_writes_and_reads_change_nothing,
        a_full_disk_is_waited_out,
        a_collaborators_full_disk_is_waited_out,
        a_collaborators_disk_may_be_full_at_every_write,
        an_aggregators_disk_may_be_full_at_every_write,
        a_sync_that_fails_ends_the_process_and_the_next_goes_on,
        a_model_that_cannot_be_read_stops_the_start_and_nothing_is_lost,
        a_damaged_journal_or_model_stops_the_start_with_its_place,
        a_damaged_update_is_asked_for_again,
        clocks_may_jump_both_ways,
        two_processes_with_one_name_do_not_share_a_state,
        another_plan_begins_anew_beside_and_the_first_goes_on,
        a_collaborator_refuses_an_aggregator_that_was_set_back,
        a_lost_collaborator_ends_no_round_without_a_quorum_and_comes_back,
    )
finally:
    stop_all()
    shutil.rmtree(STAGE, ignore_errors=True)
