#!/usr/bin/env python3
"""What is kept goes along with a change of policy: the round goes on, nothing is trained twice, the model is the same.

usage: reseal_test.py DIRECTORY-OF-PROGRAMS FAULT-DISK-LIBRARY NUMBER-OF-KILLS
"""
import hashlib
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

import tap
from federation import AGGREGATOR
from rollover import Drill

PROGRAMS, FAULTS, KILLS = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), int(sys.argv[3])
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-reseal-"))
DRILL = Drill(PROGRAMS, STAGE, ("col1", "col2"))
ROUNDS, TASKS = 3, 3
ENV = {"logs": {"col1": [], AGGREGATOR: []}, "random": random.Random(11)}


def sites_and_platforms_are_made():
    DRILL.make(ROUNDS)


def final():
    return hashlib.sha256((DRILL.sites[AGGREGATOR] / "save/final.pbuf").read_bytes()).hexdigest()


def begin_anew():
    DRILL.federation = DRILL.first_federation()
    for name in DRILL.all:
        site = DRILL.sites[name]
        for gone in ("state", "save/sealed"):
            shutil.rmtree(site / gone, ignore_errors=True)
        (site / "plan/attestation.yaml").write_text(DRILL.text_for(name, DRILL.federation))
    (DRILL.sites[AGGREGATOR] / "save/final.pbuf").unlink(missing_ok=True)


def start(name, **faults):
    """With faults (fault_disk.c) on its disk; its log is remembered."""
    environment = {f"FAULT_{k.upper()}": str(v) for k, v in faults.items()}
    if faults:
        environment["LD_PRELOAD"] = str(FAULTS)
    process = DRILL.start(name, environment=environment)
    ENV["logs"].setdefault(name, []).append(process)
    return process


def end_of_run():
    for name in DRILL.all:
        process = DRILL.processes[name]
        status = process.wait(120)
        assert status == 0, f"exit {status}\n{process.tail()}"
        DRILL.stop(name)


def the_model_of_an_undisturbed_run():
    begin_anew()
    for name in DRILL.all:
        start(name)
    end_of_run()
    ENV["model"] = final()
    ENV["logs"] = {}


def directories(name):
    return sorted(p.name for p in (DRILL.sites[name] / "state").iterdir())


def wait_for(what, seconds=60):
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until, "\n".join(p.tail() for p in DRILL.processes.values())
        time.sleep(0.05)
    return found


def a_round_waits_for_the_second_of_two():
    """The aggregator has all of the first one's results."""
    begin_anew()
    aggregator = start(AGGREGATOR)
    start("col1")
    wait_for(lambda: len(aggregator.events("result.taken")) == TASKS)


def lay_down_the_next_policy(names):
    """It holds from now on; who does not run finds it in force."""
    DRILL.federation = DRILL.following(DRILL.federation, 0)
    proof = DRILL.proof_of(DRILL.federation)
    for name in DRILL.all:
        plan = DRILL.sites[name] / "plan"
        text = DRILL.text_for(name, DRILL.federation, proof)
        if name in names:
            (plan / "arriving").write_text(text)
            os.replace(plan / "arriving", plan / "attestation.next.yaml")
        else:
            (plan / "attestation.yaml").write_text(text)


def change(names):
    lay_down_the_next_policy(names)
    for name in names:
        DRILL.processes[name].event("policy.switched", seconds=60)


def restart(name, **faults):
    DRILL.stop(name, signal.SIGKILL)
    return start(name, **faults)


def goes_on(process):
    """The round of before, with what was accepted in it."""
    resumed = process.event("federation.resumed", seconds=60)
    assert (resumed["round"], resumed["reported"]) == (0, 1), resumed


def at_a_change_all_is_sealed_anew_and_what_lay_there_is_gone():
    before = {name: directories(name) for name in (AGGREGATOR, "col1")}
    change((AGGREGATOR, "col1"))
    for name in (AGGREGATOR, "col1"):
        DRILL.processes[name].event("state.resealed")
        now = directories(name)
        assert len(now) == 1 and now != before[name], (before[name], now)


def a_killed_aggregator_goes_on_in_the_same_round_under_the_new_policy():
    process = restart(AGGREGATOR)
    goes_on(process)
    process.event("admission.admitted", name="col1", seconds=60)
    assert not process.events("result.taken") and not process.events("state.resealed"), process.tail()


def a_killed_collaborator_sends_what_it_made_under_the_policy_before():
    """Even to an aggregator that lost everything, and asks for all of it again."""
    DRILL.stop(AGGREGATOR, signal.SIGKILL)
    DRILL.stop("col1", signal.SIGKILL)
    shutil.rmtree(DRILL.sites[AGGREGATOR] / "state")
    aggregator, one = start(AGGREGATOR), start("col1")
    wait_for(lambda: len(aggregator.events("result.taken")) == TASKS)
    assert len(one.events("task.kept")) == TASKS and not one.events("task.done"), one.tail()


def under_the_policy_before_nothing_of_it_is_opened():
    plan = DRILL.sites[AGGREGATOR] / "plan"
    for name in (AGGREGATOR, "col1"):
        DRILL.stop(name, signal.SIGKILL)
    (plan / "attestation.yaml").rename(plan / "in-force.yaml")
    shutil.copy(plan / "attestation.yaml.previous", plan / "attestation.yaml")
    process = start(AGGREGATOR)
    process.event("aggregator.listening", seconds=60)
    assert process.events("identity.resumed"), "it is the genuine one, with the key of then"
    assert not process.events("federation.resumed"), process.tail()
    DRILL.stop(AGGREGATOR, signal.SIGKILL)
    (plan / "in-force.yaml").replace(plan / "attestation.yaml")
    goes_on(start(AGGREGATOR))
    start("col1")
    assert len(directories(AGGREGATOR)) == 1, directories(AGGREGATOR)


def a_full_disk_is_waited_out_and_nothing_is_kept_meanwhile():
    full = STAGE / "full"
    aggregator, one = restart(AGGREGATOR, full=full), restart("col1", full=full)
    goes_on(aggregator)
    aggregator.event("admission.admitted", name="col1", seconds=60)
    before = directories(AGGREGATOR)
    full.touch()
    change((AGGREGATOR, "col1"))
    for process in (aggregator, one):
        assert "No space" in process.event("state.not_resealed")["reason"], process.tail()
    assert directories(AGGREGATOR) == before
    full.unlink()
    aggregator.event("state.resealed")
    goes_on(restart(AGGREGATOR))


def in_force(name):
    """Its file is the newest one: the one before holds that digest too, as its own."""
    text = (DRILL.sites[name] / "plan/attestation.yaml").read_text()
    return f'replaces: "{DRILL.federation["replaces"]}"' in text


def calls_of_a_change():
    """How many calls change the disk of an aggregator until a change of policy, and with it."""
    counter = STAGE / "calls"
    process = restart(AGGREGATOR, count=counter)
    goes_on(process)
    process.event("admission.admitted", name="col1", seconds=60)
    before = counter.stat().st_size
    change((AGGREGATOR, "col1"))
    process.event("state.resealed")
    return before, counter.stat().st_size


def has_admitted(process, name):
    return any(one["name"] == name for one in process.events("admission.admitted"))


def dies_in_a_change(number, calls):
    """At one of its calls, or at any moment around; which, chance says. True: at a call."""
    first, last = calls
    at_a_call = number % 3 != 2
    process = restart(AGGREGATOR, kill=ENV["random"].randint(first + 1, last)) if at_a_call else restart(AGGREGATOR)
    wait_for(lambda: process.child.poll() is not None or has_admitted(process, "col1"))
    if process.child.poll() is not None:  # what the start before had no time for it does first, in more calls
        return at_a_call
    goes_on(process)
    lay_down_the_next_policy((AGGREGATOR, "col1"))
    if not at_a_call:
        time.sleep(ENV["random"].uniform(0, 4))
        return False
    wait_for(lambda: process.child.poll() is not None or process.events("state.resealed"))
    return process.child.poll() is not None


def killed_at_any_moment_of_a_change_the_same_round_goes_on():
    calls, died = calls_of_a_change(), 0
    for number in range(KILLS):
        died += dies_in_a_change(number, calls)
        if number % 2:
            restart("col1")
        process = restart(AGGREGATOR)
        goes_on(process)
        wait_for(lambda: in_force(AGGREGATOR) and in_force("col1"))
        wait_for(lambda: len(directories(AGGREGATOR)) == 1)
    print(f"# {KILLS} changes, {died} of them cut off at one of {calls[1] - calls[0]} calls")
    assert died >= KILLS // 3, "hardly any died at a call"


def the_model_is_that_of_the_undisturbed_run_and_nothing_was_trained_twice():
    start("col2")
    end_of_run()
    assert final() == ENV["model"]
    made = [(e["round"], e["task"], e["metric"]) for p in ENV["logs"]["col1"] for e in p.events("task.done")]
    assert len(made) == len(set(made)) and len(made) >= ROUNDS * TASKS, made
    for process in ENV["logs"][AGGREGATOR] + ENV["logs"]["col1"]:
        assert not process.events("result.damaged") and not process.events("state.void"), process.tail()


try:
    tap.run(
        sites_and_platforms_are_made,
        the_model_of_an_undisturbed_run,
        a_round_waits_for_the_second_of_two,
        at_a_change_all_is_sealed_anew_and_what_lay_there_is_gone,
        a_killed_aggregator_goes_on_in_the_same_round_under_the_new_policy,
        a_killed_collaborator_sends_what_it_made_under_the_policy_before,
        under_the_policy_before_nothing_of_it_is_opened,
        a_full_disk_is_waited_out_and_nothing_is_kept_meanwhile,
        killed_at_any_moment_of_a_change_the_same_round_goes_on,
        the_model_is_that_of_the_undisturbed_run_and_nothing_was_trained_twice,
    )
finally:
    DRILL.end()
    shutil.rmtree(STAGE, ignore_errors=True)
