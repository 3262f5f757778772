#!/usr/bin/env python3
"""The task runner in PyTorch of examples/, trained by two sites, with Debian's Python and PyTorch.

usage: pytorch_example_test.py DIRECTORY-OF-PROGRAMS
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import tap  # noqa: E402
from federation import AGGREGATOR, CHECKOUT, Process, make_sites  # noqa: E402
from ports import free_port  # noqa: E402

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-pytorch-"))
NAMES = ("col1", "col2")
ROUNDS = 10
LOG = ("--log-format", "json", "--log-level", "info")
EXAMPLE = CHECKOUT / "examples/task_runner/digits_pytorch.py"
PYTHON = "/usr/bin/python3"
RUNNER = f"""task_runner:
  template: vouch.ProcessTaskRunner
  settings:
    command: [{PYTHON}, src/{EXAMPLE.name}]
    environment: {{PYTHONPATH: {CHECKOUT / "python"}}}
    settings: {{learning_rate: 0.5}}
"""


def runs_the_example(plan):
    for old, new in {r"  template: vouch.CsvDataLoader\n.*\n": "  template: vouch.PathDataLoader\n",
                     r"task_runner:\n.*\n.*\n": RUNNER}.items():
        plan, count = re.subn(old, new, plan)
        assert count == 1, old
    return plan


def two_sites_train_the_pytorch_example():
    tried = subprocess.run([PYTHON, "-c", "import torch"], text=True, capture_output=True, timeout=120)
    if tried.returncode != 0:
        raise tap.Skip(f"{PYTHON} has no PyTorch ({tried.stderr.strip().splitlines()[-1]}); tools/bootstrap interop "
                       "installs Debian's")
    sites = make_sites(STAGE, PROGRAMS, NAMES, ROUNDS, free_port())
    for site in sites.values():
        (site / "plan/plan.yaml").write_text(runs_the_example((site / "plan/plan.yaml").read_text()))
        (site / "src").mkdir()
        shutil.copy(EXAMPLE, site / "src")
    sites[AGGREGATOR].run("vouch", "plan", "initialize")
    with Process([PROGRAMS / "vouch", "aggregator", "start", *LOG], sites[AGGREGATOR].directory,
                 STAGE / "aggregator.log") as aggregator:
        aggregator.event("aggregator.listening")
        with Process([PROGRAMS / "vouch", "collaborator", "start", "-n", "col1", *LOG], sites["col1"].directory,
                     STAGE / "col1.log") as one, \
                Process([PROGRAMS / "vouch", "collaborator", "start", "-n", "col2", *LOG], sites["col2"].directory,
                        STAGE / "col2.log") as two:
            for process in (one, two, aggregator):
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
