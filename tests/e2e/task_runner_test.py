#!/usr/bin/env python3
"""Task runners in Python: the numpy example in a federation, and children that misbehave.

usage: task_runner_test.py DIRECTORY-OF-PROGRAMS
"""
import ast
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile

import tap
from federation import AGGREGATOR, CHECKOUT, Process, changed, make_sites_of_template
from ports import free_port

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-runner-"))
NAMES = ("col1", "col2")
LOG = ("--log-format", "json", "--log-level", "info")
EXAMPLE = "digits_numpy.py"
# Debian's interpreter, which has Debian's numpy
PYTHON = "/usr/bin/python3"
DEBIANS = {"PATH": "/usr/bin:/bin"}
ENV = {}


def plan_of(runner, settings="", rounds=3):
    """The template's plan with another program for its task runner."""
    return changed(ENV["plan"], {f"[python3, src/{EXAMPLE}]": f"[{PYTHON}, src/{runner}]\n    {settings}",
                                 "rounds_to_train: 5": f"rounds_to_train: {rounds}"})


def share(plan, runner):
    for site in (ENV["agg"], *(ENV[name] for name in NAMES)):
        (site / "plan/plan.yaml").write_text(plan)
        shutil.copy(runner, site / "src")


def a_workspace_of_the_template_goes_to_all_and_is_certified():
    ENV["port"] = free_port()
    sites = make_sites_of_template("vouch/numpy", STAGE, PROGRAMS, NAMES, 5, ENV["port"], DEBIANS)
    ENV.update(sites, agg=sites[AGGREGATOR], plan=(sites["col1"] / "plan/plan.yaml").read_text())


def aggregator(label):
    return Process([PROGRAMS / "vouch", "aggregator", "start", "--listen", f"127.0.0.1:{ENV['port']}", *LOG],
                   ENV["agg"].directory, STAGE / f"{label}-aggregator.log")


def collaborator(label, name):
    return Process([PROGRAMS / "vouch", "collaborator", "start", "-n", name, *LOG], ENV[name].directory,
                   STAGE / f"{label}-{name}.log", environment={"ITA_API_KEY": "not-for-the-child", **DEBIANS})


def federation(label, seconds=90):
    with aggregator(label) as agg:
        agg.event("aggregator.listening")
        with collaborator(label, "col1") as one, collaborator(label, "col2") as two:
            for process in (one, two, agg):
                assert process.wait(seconds) == 0, process.tail()
            return agg, one, two


def the_initial_model_comes_from_the_child_without_data():
    assert (ENV["agg"] / "save/init.pbuf").stat().st_size > 2600


def two_sites_train_the_numpy_example():
    (ENV["agg"] / "logs/aggregator_metrics.jsonl").unlink(missing_ok=True)
    agg, one, two = federation("numpy")
    metrics = [json.loads(line) for line in (ENV["agg"] / "logs/aggregator_metrics.jsonl").read_text().splitlines()]
    accuracy = [m["metric_value"] for m in metrics
                if m["metric_origin"] == "aggregator" and m["task_name"] == "aggregated_model_validation"]
    assert len(accuracy) == 5 and accuracy[-1] > 0.85 > accuracy[0], accuracy
    assert one.events("runner.ready")[0]["training"] == 719, one.tail()
    said = [ast.literal_eval(line.removeprefix("METRIC   ")) for line in agg.log.read_text().splitlines()
            if line.startswith("METRIC   ")]
    assert said == metrics, (said[:1], metrics[:1])


def vouch(*words, seconds=60):
    """In the aggregator's workspace: exit status, what it said."""
    done = subprocess.run([PROGRAMS / "vouch", *words], cwd=ENV["agg"].directory, capture_output=True, text=True,
                          timeout=seconds, env=dict(os.environ, **DEBIANS))
    return done.returncode, done.stdout + done.stderr


def save(*words):
    return vouch("model", "save", "-i", "save/final.pbuf", "-s", *words)


def use_runner_that_saves(how):
    """The example with a save_native of these lines."""
    plan, program = ENV["agg"] / "plan/plan.yaml", ENV["agg"] / "src/saver.py"
    plan.write_text(plan_of(program.name, rounds=5))
    source = (ENV["agg"] / "src" / EXAMPLE).read_text()
    method = "".join(f"        {line}\n" for line in how.splitlines())
    program.write_text(changed(source, {"\n\nserve(": f"\n    def save_native(self, model, path):\n{method}\nserve("})
                       .replace("import numpy", "import numpy, os, pathlib, sys, time", 1))


def litter():
    return sorted(p.name for p in ENV["agg"].directory.iterdir() if p.name.startswith(".model-"))


def a_model_is_an_npz_where_the_task_runner_has_no_form_of_its_own():
    status, said = save("-o", "plain.npz")
    assert status == 0 and "plain.npz: 2 arrays of round 5" in said, (status, said)
    with zipfile.ZipFile(ENV["agg"] / "plain.npz") as archive:
        assert sorted(archive.namelist()) == ["bias.npy", "weight.npy"]
    assert not litter()


def a_task_runner_saves_a_model_in_its_own_form_a_file_or_a_directory():
    use_runner_that_saves("numpy.savez(open(path, 'wb'), **model)")
    status, said = save("-o", "save/own.npz")
    assert status == 0 and "save/own.npz: saved by the task runner, round 5" in said, (status, said)
    with zipfile.ZipFile(ENV["agg"] / "plain.npz") as ours, zipfile.ZipFile(ENV["agg"] / "save/own.npz") as own:
        for name in ours.namelist():  # 128 bytes before the values
            assert ours.read(name)[128:] == own.read(name)[128:], name
    use_runner_that_saves("os.mkdir(path)\nmodel['bias'].tofile(path + '/bias')\nself.progress('half of it')")
    status, said = save("-o", "own", "--log-level", "info")
    assert status == 0 and (ENV["agg"] / "own/bias").stat().st_size == 40 and "half of it" in said, (status, said)
    status, said = save("-o", "own")
    assert status == 2 and "'own' is a directory" in said, (status, said)
    assert not litter()


HALF = "open(path, 'w').write('half')\n"
NOT_SAVED = {
    HALF + "raise ValueError('no disk')": "the task runner says: ValueError: no disk",
    HALF + "os._exit(9)": "ended with status 9",
    "pass": "wrote nothing",
    HALF + "open(path + '.index', 'w').write('x')": "wrote 'own.pt.index'; 'own.pt' was asked for",
    "open(path + '.npz', 'w').write('x')": "wrote 'own.pt.npz'; 'own.pt' was asked for",
    "os.symlink('/etc/passwd', path)": "own.pt': Too many levels of symbolic links",
    "os.mkfifo(path)": "neither a file nor a directory",
}


def what_a_task_runner_does_not_save_as_a_whole_is_not_there():
    own = ENV["agg"] / "own.pt"
    own.write_text("as before")
    for how, why in NOT_SAVED.items():
        use_runner_that_saves(how)
        status, said = save("-o", "own.pt")
        assert status != 0 and why in said, (how, status, said)
        assert own.read_text() == "as before" and not litter(), how
        assert not [p.name for p in ENV["agg"].directory.glob("own.pt?*")], how


def one_that_is_asked_for_nothing_of_its_own_is_not_even_started():
    use_runner_that_saves("pass")
    (ENV["agg"] / "src/saver.py").unlink()
    status, said = save("-o", "none.npz")
    assert status != 0 and "(--npz does without)" in said and not (ENV["agg"] / "none.npz").exists(), (status, said)
    status, said = save("-o", "none.npz", "--npz")
    assert status == 0 and "none.npz: 2 arrays" in said, (status, said)


def ctrl_c_leaves_nothing_of_a_model_that_is_being_saved():
    use_runner_that_saves("open(path, 'w').write('half')\nprint('half is written', flush=True)\ntime.sleep(1000)")
    words = ["model", "save", "-i", "save/final.pbuf", "-o", "slow.pt", *LOG]
    with Process([PROGRAMS / "vouch", *words], ENV["agg"].directory, STAGE / "save.log", environment=DEBIANS) as saving:
        saving.event("runner.output", line="half is written")
        assert litter()
        saving.child.send_signal(2)
        assert saving.wait(10) == 1 and "interrupted" in saving.tail(), saving.tail()
    assert not (ENV["agg"] / "slow.pt").exists() and not litter()


WRECK = f'''
import os, pathlib, sys, time
sys.argv = ["digits"]
source = pathlib.Path("src/{EXAMPLE}").read_text().replace("serve(Digits)", "")
exec(source)

class Wreck(Digits):
    def train(self, model, round, **kwargs):
        assert "ITA_API_KEY" not in os.environ
        mark = pathlib.Path(f"mark-{{round}}")
        if not mark.exists():
            mark.touch()
            print(f"round {{round}} begins badly")
            if round == 0:
                os._exit(7)
            if round == 1:
                time.sleep(1000)
            raise ValueError("cannot learn today")
        return super().train(model, round, **kwargs)

serve(Wreck)
'''


def a_dead_a_hung_and_a_failing_child_fail_their_task_and_the_federation_goes_on():
    wreck = STAGE / "wreck.py"
    wreck.write_text(WRECK)
    share(plan_of(wreck.name, "task_timeout_s: 5"), wreck)
    for i in range(3):  # col2 is well behaved
        (ENV["col2"] / f"mark-{i}").touch()
    _, one, two = federation("wreck")
    reasons = [e["reason"] for e in one.events("task.failed")]
    assert len(reasons) == 3, reasons
    assert "ended with status 7: round 0 begins badly" in reasons[0], reasons
    assert "took too long; its last words: round 1 begins badly" in reasons[1], reasons
    assert "ValueError: cannot learn today" in reasons[2], reasons
    assert any(e["line"] == "round 0 begins badly" for e in one.events("runner.output"))
    assert not two.events("task.failed")


HUNGRY = WRECK.replace("if round == 0:\n                os._exit(7)", "if round == 0:\n                b = bytearray(1 << 30)")


def a_child_that_wants_more_memory_than_the_plan_allows_is_refused_it():
    hungry = STAGE / "hungry.py"
    hungry.write_text(HUNGRY)
    for name in NAMES:
        for i in range(3):
            (ENV[name] / f"mark-{i}").unlink(missing_ok=True)
            if name == "col2" or i > 0:
                (ENV[name] / f"mark-{i}").touch()
    share(plan_of(hungry.name, "memory_mb: 700", rounds=1), hungry)
    _, one, _ = federation("hungry")
    reasons = [e["reason"] for e in one.events("task.failed")]
    assert len(reasons) == 1 and "MemoryError" in reasons[0], reasons


def ctrl_c_ends_a_collaborator_in_the_middle_of_a_task_and_its_child_with_it():
    (ENV["col1"] / "mark-1").unlink(missing_ok=True)
    slow = STAGE / "slow.py"
    slow.write_text(WRECK.replace("if round == 0:\n                os._exit(7)",
                                  "if round == 0:\n                pathlib.Path('pid').write_text(str(os.getpid())); "
                                  "print('the pid is written', flush=True); time.sleep(1000)"))
    (ENV["col1"] / "mark-0").unlink()
    share(plan_of(slow.name), slow)
    with aggregator("slow") as agg:
        agg.event("aggregator.listening")
        with collaborator("slow", "col1") as one:
            one.event("runner.output", line="the pid is written")
            one.child.send_signal(2)
            assert one.wait(10) == 0, one.tail()
    child = int((ENV["col1"] / "pid").read_text())
    assert not pathlib.Path(f"/proc/{child}").exists()


def the_twenty_lines_of_the_page_train():
    page = (CHECKOUT / "docs/task-runners.md").read_text()
    program = STAGE / "page.py"
    program.write_text(re.search(r"```python\n(.*?)```", page, re.S)[1])
    share(plan_of(program.name, rounds=1), program)
    for site, rows in (("col1", "1,2,3\n3,4,5\n"), ("col2", "5,0,1\n3,6,7\n")):
        (ENV[site] / "data/rows.csv").write_text(rows)
        (ENV[site] / "plan/data.yaml").write_text(f"{site},data/rows.csv\n")
    ENV["agg"].run("vouch", "plan", "initialize", environment=DEBIANS)
    federation("page")
    ENV["agg"].run("vouch", "model", "save", "-i", "save/final.pbuf", "-o", "mean.npz", "-s")
    with zipfile.ZipFile(ENV["agg"] / "mean.npz") as archive:
        mean = struct.unpack("<3f", archive.read("mean.npy")[128:])
    assert mean == (3, 3, 4), mean


def a_runner_without_its_program_is_told_before_anything_starts():
    (ENV["col1"] / "plan/plan.yaml").write_text(plan_of(EXAMPLE).replace(PYTHON, "/nonexistent/python"))
    done = subprocess.run([PROGRAMS / "vouch", "collaborator", "start", "-n", "col1"], cwd=ENV["col1"].directory,
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "/nonexistent/python" in done.stderr, done


def data_that_a_runner_cannot_read_are_a_wrong_setting():
    (ENV["col1"] / "plan/plan.yaml").write_text(plan_of(EXAMPLE))
    data = ENV["col1"] / "plan/data.yaml"
    kept = data.read_text()
    data.write_text("col1,data/nothing.csv\n")
    done = subprocess.run([PROGRAMS / "vouch", "collaborator", "start", "-n", "col1"], cwd=ENV["col1"].directory,
                          capture_output=True, text=True, timeout=60)
    data.write_text(kept)
    assert done.returncode == 2 and "the task runner says: FileNotFoundError" in done.stderr, done


try:
    tap.run(a_workspace_of_the_template_goes_to_all_and_is_certified,
            the_initial_model_comes_from_the_child_without_data,
            two_sites_train_the_numpy_example,
            a_model_is_an_npz_where_the_task_runner_has_no_form_of_its_own,
            a_task_runner_saves_a_model_in_its_own_form_a_file_or_a_directory,
            what_a_task_runner_does_not_save_as_a_whole_is_not_there,
            one_that_is_asked_for_nothing_of_its_own_is_not_even_started,
            ctrl_c_leaves_nothing_of_a_model_that_is_being_saved,
            a_dead_a_hung_and_a_failing_child_fail_their_task_and_the_federation_goes_on,
            a_child_that_wants_more_memory_than_the_plan_allows_is_refused_it,
            ctrl_c_ends_a_collaborator_in_the_middle_of_a_task_and_its_child_with_it,
            the_twenty_lines_of_the_page_train,
            a_runner_without_its_program_is_told_before_anything_starts,
            data_that_a_runner_cannot_read_are_a_wrong_setting)
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
