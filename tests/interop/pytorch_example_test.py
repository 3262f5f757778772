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
from federation import AGGREGATOR, Process, changed, make_sites_of_template  # noqa: E402
from ports import free_port  # noqa: E402

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-pytorch-"))
NAMES = ("col1", "col2")
ROUNDS = 10
LOG = ("--log-format", "json", "--log-level", "info")
DEBIANS = {"PATH": "/usr/bin:/bin"}
ENV = {}


def aggregator(site):
    return Process([PROGRAMS / "vouch", "aggregator", "start", *LOG], site.directory, STAGE / "aggregator.log")


def collaborator(site, name):
    return Process([PROGRAMS / "vouch", "collaborator", "start", "-n", name, *LOG], site.directory, STAGE / f"{name}.log",
                   environment=DEBIANS)


def federation():
    sites = ENV["sites"]
    with aggregator(sites[AGGREGATOR]) as agg:
        agg.event("aggregator.listening")
        with collaborator(sites["col1"], "col1") as one, collaborator(sites["col2"], "col2") as two:
            for process in (one, two, agg):
                assert process.wait(300) == 0, process.tail()
            return agg, one


def two_sites_train_the_pytorch_example():
    tried = subprocess.run(["/usr/bin/python3", "-c", "import torch"], text=True, capture_output=True, timeout=120)
    if tried.returncode != 0:
        raise tap.Skip(f"Debian's Python has no PyTorch ({tried.stderr.strip().splitlines()[-1]}); tools/bootstrap interop "
                       "installs it")
    sites = ENV["sites"] = make_sites_of_template("vouch/pytorch", STAGE, PROGRAMS, NAMES, ROUNDS, free_port(), DEBIANS)
    _, one = federation()
    lines = (sites[AGGREGATOR] / "logs/aggregator_metrics.jsonl").read_text().splitlines()
    accuracy = [m["metric_value"] for m in map(json.loads, lines)
                if m["metric_origin"] == "aggregator" and m["task_name"] == "aggregated_model_validation"]
    assert len(accuracy) == ROUNDS and accuracy[-1] > 0.85 > accuracy[0], accuracy
    assert one.events("runner.ready")[0]["training"] == 719, one.tail()


def its_model_is_saved_as_pytorch_has_it():
    if "sites" not in ENV:
        raise tap.Skip("no PyTorch, as above")
    agg = ENV["sites"][AGGREGATOR]
    said = agg.run("vouch", "model", "save", "-i", "save/final.pbuf", "-o", "model.pt", environment=DEBIANS)
    assert f"model.pt: saved by the task runner, round {ROUNDS}" in said, said
    agg.run("vouch", "model", "save", "-i", "save/final.pbuf", "-o", "model.npz", "--npz")
    code = ("import numpy, torch\n"
            "state, arrays = torch.load('model.pt'), numpy.load('model.npz')\n"
            "assert sorted(state) == sorted(arrays) and len(state) == 4, list(state)\n"
            "for name in state:\n    assert state[name].numpy().tobytes() == arrays[name].tobytes(), name\n")
    subprocess.run(["/usr/bin/python3", "-c", code], cwd=agg.directory, check=True, timeout=120)


def its_momentum_goes_round_where_the_plan_shares_it():
    if "sites" not in ENV:
        raise tap.Skip("no PyTorch, as above")
    for site in ENV["sites"].values():
        plan = site / "plan/plan.yaml"
        plan.write_text(changed(plan.read_text(), {"opt_treatment: RESET": "opt_treatment: CONTINUE_GLOBAL",
                                                   f"rounds_to_train: {ROUNDS}": "rounds_to_train: 3",
                                                   "{learning_rate: 0.5}": "{learning_rate: 0.1, momentum: 0.9}"}))
    site = ENV["sites"][AGGREGATOR]
    site.run("vouch", "plan", "initialize", environment=DEBIANS)
    initial = (site / "save/init.pbuf").read_bytes()
    agg, _ = federation()
    assert len(agg.events("round.finished")) == 3 and not agg.events("optimizer.not_declared"), agg.tail()
    final = (site / "save/final.pbuf").read_bytes()
    for model in (initial, final):
        assert model.count(b"__opt_state_0_") == 4 and model.count(b"__opt_group_lengths") == 1
    # the initial one's are zeros, as it says itself; the final one's are not
    assert initial.count(bytes(4 * 32 * 64)) == 1 and bytes(4 * 32 * 64) not in final


try:
    tap.run(two_sites_train_the_pytorch_example,
            its_model_is_saved_as_pytorch_has_it,
            its_momentum_goes_round_where_the_plan_shares_it)
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
