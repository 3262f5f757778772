#!/usr/bin/env python3
"""A momentum that goes round with the model, `opt_treatment: CONTINUE_GLOBAL`, in a federation of ours.

usage: shared_optimizer_test.py DIRECTORY-OF-PROGRAMS
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import tap
from federation import AGGREGATOR, Process, changed, make_sites_of_template
from ports import free_port

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-optimizer-"))
NAMES = ("col1", "col2")
ROUNDS = 4
LOG = ("--log-format", "json", "--log-level", "info")
# Debian's interpreter, which has Debian's numpy
PYTHON = "/usr/bin/python3"
DEBIANS = {"PATH": "/usr/bin:/bin"}
GLOBAL = {"opt_treatment: RESET": "opt_treatment: CONTINUE_GLOBAL"}
ENV = {}

# Notes the momentum that it gets and gives in each round; waits where the test wants to kill it.
RUNNER = '''
import json, pathlib, time
source = pathlib.Path("src/digits_numpy.py").read_text().replace("serve(Digits)", "")
exec(source)

class Momentum(Digits):
    def initial_model(self):
        model = super().initial_model()
        model.pop(self.settings.get("without"), None)
        if self.opt_treatment != "CONTINUE_GLOBAL" and not self.settings.get("always"):
            return model
        begin = self.settings.get("declared", 0.0) if self.name is None else 0.0
        return {**model, **{"__opt_" + name: numpy.full_like(values, begin) for name, values in model.items()}}

    def train(self, model, round, **kwargs):
        if round == 2 and pathlib.Path("hold").exists():
            print("round 2 is held", flush=True)
            while pathlib.Path("hold").exists():
                time.sleep(0.02)
        after, metrics = super().train(model, round, **kwargs)
        out = {}
        for name in after:
            out["__opt_" + name] = 0.9 * model["__opt_" + name] + (after[name] - model[name])
            out[name] = model[name] + out["__opt_" + name]
        pathlib.Path(f"momentum-{round}.json").write_text(json.dumps(
            {"got": model["__opt_bias"].tolist(), "gave": out["__opt_bias"].astype("float32").tolist()}))
        return out, metrics

serve(Momentum)
'''


def give_all(changes):
    for site in ENV["sites"].values():
        (site / "plan/plan.yaml").write_text(changed(ENV["plan"], changes))


def a_federation_with_a_momentum_of_its_own_is_made():
    ENV["port"] = free_port()
    sites = ENV["sites"] = make_sites_of_template("vouch/numpy", STAGE, PROGRAMS, NAMES, ROUNDS, ENV["port"], DEBIANS)
    for site in sites.values():
        (site / "src/momentum.py").write_text(RUNNER)
    plan = (sites["col1"] / "plan/plan.yaml").read_text()
    ENV["plan"] = changed(plan, {"[python3, src/digits_numpy.py]": f"[{PYTHON}, src/momentum.py]"})
    ENV["agg"] = sites[AGGREGATOR]


def aggregator(label):
    return Process([PROGRAMS / "vouch", "aggregator", "start", "--listen", f"127.0.0.1:{ENV['port']}", *LOG],
                   ENV["agg"].directory, STAGE / f"{label}-aggregator.log")


def collaborator(label, name):
    return Process([PROGRAMS / "vouch", "collaborator", "start", "-n", name, *LOG], ENV["sites"][name].directory,
                   STAGE / f"{label}-{name}.log", environment=DEBIANS)


def federation(label):
    with aggregator(label) as agg:
        agg.event("aggregator.listening")
        with collaborator(label, "col1") as one, collaborator(label, "col2") as two:
            for process in (one, two, agg):
                assert process.wait(90) == 0, process.tail()
            return agg, one, two


def result():
    return (ENV["agg"] / "save/final.pbuf").read_bytes()


def a_model_without_the_state_is_warned_of_and_its_first_update_refused_with_the_remedy():
    give_all(GLOBAL)  # save/init.pbuf is of the plan before, which kept the state at each site
    line = 1 + next(i for i, text in enumerate((ENV["agg"] / "plan/plan.yaml").read_text().splitlines())
                    if "CONTINUE_GLOBAL" in text)
    with aggregator("undeclared") as agg:
        agg.event("aggregator.listening")
        warned = agg.event("optimizer.not_declared")["reason"]
        assert f"plan.yaml:{line}:" in warned and "vouch plan initialize -i save/init.pbuf" in warned, warned
        with collaborator("undeclared", "col1") as one:
            assert one.wait(60) != 0
        refused = agg.event("call.refused")["reason"]
        assert "'__opt_" in refused and "vouch plan initialize -i save/init.pbuf" in refused, refused
    for site in ENV["sites"].values():
        shutil.rmtree(site / "state", ignore_errors=True)


def the_remedy_keeps_the_weights_and_adds_the_state():
    before = (ENV["agg"] / "save/init.pbuf").read_bytes()
    give_all({})
    assert ENV["agg"].ask("vouch", "plan", "initialize", "-i", "save/init.pbuf")["tensors"] == 2
    give_all(GLOBAL)
    for _ in range(2):  # it may be done again
        said = ENV["agg"].ask("vouch", "plan", "initialize", "-i", "save/init.pbuf")
        assert said["tensors"] == 4, said
    after = (ENV["agg"] / "save/init.pbuf").read_bytes()
    assert after.startswith(before) and after.count(b"__opt_") == 2
    (ENV["agg"] / "save/plain.pbuf").write_bytes(before)


def with_settings(text):
    return {"{learning_rate: 1.0}": f"{{learning_rate: 1.0, {text}}}"}


def refuses_as_initial(model):
    done = subprocess.run([PROGRAMS / "vouch", "plan", "initialize", "-i", model], text=True,
                          cwd=ENV["agg"].directory, capture_output=True, timeout=60)
    assert done.returncode != 0 and f"--init_model_path '{model}'" in done.stderr, done


def a_state_is_not_added_where_the_plan_does_not_share_it_nor_anything_else_where_it_does():
    declared = (ENV["agg"] / "save/init.pbuf").read_bytes()
    give_all(with_settings("always: true"))
    refuses_as_initial("save/plain.pbuf")
    give_all(with_settings("without: bias"))
    ENV["agg"].run("vouch", "plan", "initialize")
    (ENV["agg"] / "save/init.pbuf").rename(ENV["agg"] / "save/short.pbuf")
    give_all(GLOBAL)
    refuses_as_initial("save/short.pbuf")
    (ENV["agg"] / "save/init.pbuf").write_bytes(declared)


def momentum(name, round, which):
    return json.loads((ENV["sites"][name] / f"momentum-{round}.json").read_text())[which]


def train_and_follow(label):
    agg, one, two = federation(label)
    assert not agg.events("optimizer.not_declared") and not agg.events("call.refused")
    weight = [process.events("runner.ready")[0]["training"] for process in (one, two)]
    for name in NAMES:
        assert not any(momentum(name, 0, "got"))
    for round in range(1, ROUNDS):
        gave = [momentum(name, round - 1, "gave") for name in NAMES]
        mean = [(a * weight[0] + b * weight[1]) / sum(weight) for a, b in zip(*gave)]
        assert any(abs(value) > 1e-3 for value in mean) and gave[0] != gave[1], gave
        for name in NAMES:
            got = momentum(name, round, "got")
            assert all(abs(a - b) < 1e-6 for a, b in zip(got, mean)), (name, round, got, mean)


def the_momentum_of_a_round_is_the_mean_of_what_the_sites_gave_in_the_one_before():
    train_and_follow("whole")
    ENV["whole"] = result()


def killed_in_the_middle_of_a_round_all_go_on_to_the_same_model():
    (ENV["sites"]["col1"] / "hold").touch()
    with aggregator("first") as agg:
        agg.event("aggregator.listening")
        with collaborator("first", "col1") as one, collaborator("first", "col2") as two:
            one.event("runner.output", 60, line="round 2 is held")
            for process in (one, two, agg):
                os.killpg(process.child.pid, signal.SIGKILL)
    (ENV["sites"]["col1"] / "hold").unlink()
    agg, _, _ = federation("again")
    assert agg.events("federation.resumed")[0]["round"] == 2, agg.tail()
    assert result() == ENV["whole"]


def changes_of_the_momentum_go_round_too_whatever_the_initial_model_declares():
    """Its values are of no site, so the first round's are sent whole."""
    give_all({"opt_treatment: RESET": "opt_treatment: CONTINUE_GLOBAL, delta_updates: true",
              **with_settings("declared: 1.0")})
    ENV["agg"].run("vouch", "plan", "initialize", "-i", "save/plain.pbuf")
    train_and_follow("changes")
    assert len(result()) == len(ENV["whole"])


try:
    tap.run(a_federation_with_a_momentum_of_its_own_is_made,
            a_model_without_the_state_is_warned_of_and_its_first_update_refused_with_the_remedy,
            the_remedy_keeps_the_weights_and_adds_the_state,
            a_state_is_not_added_where_the_plan_does_not_share_it_nor_anything_else_where_it_does,
            the_momentum_of_a_round_is_the_mean_of_what_the_sites_gave_in_the_one_before,
            killed_in_the_middle_of_a_round_all_go_on_to_the_same_model,
            changes_of_the_momentum_go_round_too_whatever_the_initial_model_declares)
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
