#!/usr/bin/env python3
"""An optimiser's state under `opt_treatment: CONTINUE_GLOBAL`: OpenFL's own task runner for PyTorch, with Debian's
PyTorch, in one release of the real OpenFL against Vouch, in both directions.

A real aggregator tells an idle collaborator to sleep for ten seconds, so its runs go on beside ours.

usage: openfl_optimizer_test.py DIRECTORY-OF-PROGRAMS BUILD RELEASE
"""
import concurrent.futures
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import openfl_peer as peer  # noqa: E402
from openfl_peer import LOG, NAMES, Site, tap  # noqa: E402
from ports import free_port  # noqa: E402

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
BUILD, RELEASE = sys.argv[2], sys.argv[3]
STAGE = pathlib.Path(tempfile.mkdtemp(prefix=f"vouch-optimizer-{RELEASE}-"))
UNTIL_15, UNTIL_16, UNTIL_18 = (peer.number(RELEASE) < number for number in ((1, 6), (1, 7), (1, 9)))
ROUNDS = 3
OUR_RELEASE = ("--openfl-release", RELEASE)
PLAN = {"release": RELEASE, "rounds": ROUNDS, "treatment": "CONTINUE_GLOBAL", "delta": not UNTIL_16,
        "runner": (*peer.TORCH, "{optimizer: Adam, settings: {lr: 0.01}}"),
        "functions": ("validate", "train_batches") if UNTIL_15 else ("validate_task", "train_task")}
EXACT = "bit for bit as the real aggregator"
BESIDE = concurrent.futures.ThreadPoolExecutor(4)
ENV = {}


def the_release_and_pytorch_are_here():
    ENV["fx"] = peer.environment(BUILD, RELEASE) / "fx"
    ENV["torch"] = peer.with_torch(BUILD, ENV["fx"].parent / "python")


ALIKE = """
import copy, sys
import numpy, torch
from openfl.federated.task.runner_pt import _get_optimizer_state
from vouch_runner import pytorch
kinds = {"Adam": {"amsgrad": True}, "AdamW": {}, "SGD": {"momentum": 0.9, "dampening": 0.5}, "RMSprop": {"momentum": 0.9},
         "Adagrad": {}, "NAdam": {}, "Adadelta": {}}
for kind, settings in kinds.items():
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    for frozen in net[0].parameters():
        frozen.requires_grad = False
    steps = lambda net: getattr(torch.optim, kind)(net.parameters(), lr=0.1, **settings)
    def train(net, step):
        step.zero_grad()
        net(torch.ones(5, 3)).sum().backward()
        step.step()
    step = steps(net)
    fresh = pytorch.arrays(net, step)
    begins_empty = kind != "Adagrad"
    assert begins_empty != any(fresh[name].any() for name in fresh if name.startswith("__opt_")), kind
    untrained = copy.deepcopy(net)
    pytorch.load(net, fresh, step)
    train(net, step)
    other = steps(untrained)
    train(untrained, other)  # an optimizer that was given zeros begins as one that was given nothing
    assert all((a == b).all() for a, b in zip(net.parameters(), untrained.parameters())), kind
    ours = pytorch.arrays(net, step)
    theirs = {name: value for name, value in _get_optimizer_state(step).items() if name != "__opt_state_needed"}
    assert set(ours) == set(fresh) == set(net.state_dict()) | set(theirs), (kind, set(ours) ^ set(theirs))
    for name, value in theirs.items():
        assert ours[name].shape == value.shape == fresh[name].shape, (kind, name)
        assert (ours[name] == value.astype("float32")).all(), (kind, name)
    again, later = copy.deepcopy(net), None
    later = steps(again)
    pytorch.load(again, ours, later)
    train(net, step)
    train(again, later)
    assert all((a == b).all() for a, b in zip(net.parameters(), again.parameters())), kind
print("alike", len(kinds))
"""


def our_names_and_values_of_an_optimisers_state_are_openfls():
    where = {"PYTHONPATH": f"{peer.HERE.parent.parent / 'python'}:{ENV['torch']['PYTHONPATH']}"}
    said = Site(STAGE / "desk", ENV["fx"].parent).run("python", "-c", ALIKE, environment=where)
    assert said.split() == ["alike", "7"], said


UNLIKE = """
import numpy
from openfl.utilities import TensorKey
from vouch_runner.openfl import OpenFLTaskRunner

class Loader:
    def __init__(self, data_path):
        pass

class Runner:
    tensor_dict_split_fn_kwargs, logger = {}, None
    early, late = {}, {}  # what the optimizer has before training, and after
    def __init__(self, data_loader):
        pass
    def set_optimizer_treatment(self, treatment):
        assert treatment == "CONTINUE_GLOBAL"
    def initialize_tensorkeys_for_functions(self, with_opt_vars=False):
        pass
    def get_tensor_dict(self, with_opt_vars):
        return {"weight": numpy.ones(2), **(self.early if with_opt_vars else {})}
    def get_required_tensorkeys_for_function(self, function, **kwargs):
        return []
    def train(self, col_name, round_num, input_tensor_dict):
        every = {**self.get_tensor_dict(True), **self.late}
        return {TensorKey(name, col_name, round_num, False, ("trained",)): every[name] for name in every}, {}

ours = OpenFLTaskRunner()
ours.template, ours.data_template, ours.opt_treatment = "__main__.Runner", "__main__.Loader", "CONTINUE_GLOBAL"
Runner.early = {"adam/iteration": numpy.ones(1)}
try:
    print(ours.initial_model())
except ValueError as why:
    print(why)
Runner.early, Runner.late = {}, {"__opt_late": numpy.ones(1)}
ours.initial_model()
print(sorted(ours.task("train", {"weight": numpy.ones(2)}, 0, {})[0]))
"""


def a_state_that_cannot_be_known_before_training_is_not_kept_back_in_silence():
    """Names that are not PyTorch's end the start; a tensor that nobody declared is in the result, which is refused."""
    where = {"PYTHONPATH": f"{peer.HERE.parent.parent / 'python'}:{ENV['torch']['PYTHONPATH']}"}
    said = Site(STAGE / "desk", ENV["fx"].parent).run("python", "-c", UNLIKE, environment=where).splitlines()[-2:]
    assert "served for an optimizer of PyTorch" in said[0] and "adam/iteration" in said[0], said
    assert said[1] == "['__opt_late', 'weight']", said


def log_of(site, who):
    return STAGE / f"{site.directory.name}-{who}.log"


def our_aggregator(site):
    return [PROGRAMS / "vouch", "aggregator", "start", *OUR_RELEASE, *LOG], site, log_of(site, "aggregator")


def real_aggregator(site):
    return [ENV["fx"], "aggregator", "start"], site, log_of(site, "aggregator")


def our_collaborators(site):
    return [([PROGRAMS / "vouch", "collaborator", "start", "-n", name, *OUR_RELEASE, *LOG], site, log_of(site, name))
            for name in NAMES]


def real_collaborators(site):
    return [([ENV["fx"], "collaborator", "start", "-n", name], site, log_of(site, name)) for name in NAMES]


def copy_of(site, label, **changes):
    return peer.copy_of(site, STAGE / label, **{**PLAN, **changes})


def play(aggregator, collaborators, site):
    return peer.play(aggregator(site), collaborators(site), environment=ENV["torch"])


def one_of_each(site):
    return [real_collaborators(site)[0], our_collaborators(site)[1]]


def begin(label, site, collaborators, **changes):
    """A run with a real aggregator; since 1.7 it never writes what its last round made, so it is given one more."""
    other = copy_of(ENV[site], label, rounds=ROUNDS if UNTIL_16 else ROUNDS + 1, **changes)
    ENV[label] = other, BESIDE.submit(play, real_aggregator, collaborators, other)


def openfl_makes_the_initial_model_and_ours_adds_the_state():
    site = ENV["plain"] = Site(STAGE / "plain", PROGRAMS)
    peer.lay_out(site)
    (site / "plan/plan.yaml").write_text(peer.plan_text(port=free_port(), **PLAN))
    (site / "plan/data.yaml").write_text(peer.data_lines())
    package = peer.HERE.parent.parent / "python"
    (site / "plan/runner.yaml").write_text(
        f"command: [{ENV['fx'].parent / 'python'}, -m, vouch_runner.openfl]\n"
        f"environment: {{PYTHONPATH: '{package}:{ENV['torch']['PYTHONPATH']}:.'}}\n")
    site.run("vouch", "workspace", "certify")
    site.run("vouch", "aggregator", "generate-cert-request", "--fqdn", "localhost")
    site.run("vouch", "aggregator", "certify", "--fqdn", "localhost", "-s")
    for name in NAMES:
        site.run("vouch", "collaborator", "generate-cert-request", "-n", name, "-s", "-x")
        site.run("vouch", "collaborator", "certify", "-n", name, "-s")
    Site(site.directory, ENV["fx"].parent).run("fx", "plan", "initialize", environment=ENV["torch"])
    begin("real-ours", "plain", our_collaborators)
    if UNTIL_18:
        begin("real-reset", "plain", one_of_each, treatment="RESET")
    declared = ENV["declared"] = copy_of(site, "declared")
    said = declared.ask("vouch", "plan", "initialize", "-i", "save/init.pbuf", *OUR_RELEASE)
    # weight and bias; of each of them a count of steps and two means; how many there are of them
    assert said["tensors"] == 2 + 2 * 3 + 1, said
    plain, whole = ((s / "save/init.pbuf").read_bytes() for s in (site, declared))
    assert b"__opt_" not in plain and whole.startswith(plain)
    begin("real", "declared", real_collaborators)


def alike(ours, theirs):
    """Not one bit of what is in their file may differ, nor may it be what training began with."""
    code = ("import sys\nfrom openfl.protocols import utils\nfrom openfl.pipelines import NoCompressionPipeline\n"
            "load = lambda path: utils.deconstruct_model_proto(utils.load_proto(path), NoCompressionPipeline())\n"
            "(ours, our_round), (real, real_round), (first, _) = map(load, sys.argv[2:])\n"
            "assert our_round == real_round == int(sys.argv[1]), (our_round, real_round)\n"
            "weights = ['layer.bias', 'layer.weight']\n"
            "assert set(real) <= set(ours) and sorted(n for n in real if not n.startswith('__opt_')) == weights\n"
            "for name in real:\n"
            "    assert ours[name].tobytes() == real[name].tobytes(), (name, abs(ours[name] - real[name]).max())\n"
            "    assert name not in first or (first[name] != real[name]).any(), name\n"
            "print(len(real))\n")
    said = Site(STAGE / "desk", ENV["fx"].parent).run("python", "-c", code, ROUNDS, ours, theirs,
                                                      ENV["declared"] / "save/init.pbuf")
    return int(said.split()[-1])


def real_collaborators_and_our_aggregator_end_with_the_real_ones_model_and_state_bit_for_bit():
    site = ENV["ours"] = copy_of(ENV["declared"], "ours")
    run = play(our_aggregator, real_collaborators, site)
    assert not run.events("optimizer.not_declared") and not run.events("call.refused"), run.tail()
    other, real = ENV["real"]
    real.result()
    assert alike(site / "save/final.pbuf", other / "save/last.pbuf") == 9
    say("real collaborators, our aggregator")


def our_collaborators_and_the_real_aggregator_without_a_declared_state_end_with_the_same_model():
    """Which has no state in round 0, so that nobody may ask for it."""
    other, real = ENV["real-ours"]
    real.result()
    assert alike(ENV["ours"] / "save/final.pbuf", other / "save/last.pbuf") == 2
    say("our collaborators, real aggregator")


def collaborators_of_ours_that_begin_in_the_last_round_take_the_state_from_the_model():
    """Since 1.7 last.pbuf is the model that the last round started from."""
    site = copy_of(ENV["declared"], "late")
    shutil.copy(ENV["ours"] / "save/last.pbuf", site / "save/init.pbuf")
    run = play(our_aggregator, our_collaborators, site)
    assert [e["round"] for e in run.events("round.finished")] == [ROUNDS - 1], run.tail()
    assert alike(site / "save/final.pbuf", ENV["ours"] / "save/final.pbuf") == 9


SAVED = """
import sys, torch
from openfl.protocols import utils
from openfl.pipelines import NoCompressionPipeline
want = utils.deconstruct_model_proto(utils.load_proto(sys.argv[1]), NoCompressionPipeline())[0]
ours, theirs = map(torch.load, sys.argv[2:])
assert sorted(ours) == sorted(theirs) == ['model_state_dict', 'optimizer_state_dict'], (list(ours), list(theirs))
for name in ('layer.weight', 'layer.bias'):
    for saved in (ours, theirs):
        assert saved['model_state_dict'][name].numpy().tobytes() == want[name].tobytes(), name
"""


def a_model_is_saved_as_openfls_own_runner_for_pytorch_has_it():
    """The state that travels beside it is no part of that."""
    ours, theirs = ENV["ours"], ENV["real-ours"][0]
    said = ours.run("vouch", "model", "save", "-i", "save/final.pbuf", "-o", "model.pt", *OUR_RELEASE)
    assert "model.pt: saved by the task runner" in said, said
    fx = Site(theirs.directory, ENV["fx"].parent)
    fx.run("fx", "model", "save", "-i", "save/last.pbuf", "-o", "model.pt", environment=ENV["torch"])
    fx.run("python", "-c", SAVED, theirs / "save/last.pbuf", ours / "model.pt", theirs / "model.pt",
           environment=ENV["torch"])


def a_state_that_real_collaborators_send_though_it_stays_at_its_site_is_dropped():
    """The real aggregator wants it of all or none: with one collaborator of each kind it comes to the same model."""
    site = copy_of(ENV["plain"], "reset", treatment="RESET")
    run = play(our_aggregator, real_collaborators, site)
    assert len(run.events("round.finished")) == ROUNDS and not run.events("call.refused"), run.tail()
    other, real = ENV["real-reset"]
    real.result()
    assert alike(site / "save/final.pbuf", other / "save/last.pbuf") == 2
    for who in ("real collaborators, our aggregator", "one of each, real aggregator"):
        peer.row(RELEASE, who, "plain", "NoCompression, Adam's state sent unasked", EXACT)


def say(who):
    peer.row(RELEASE, who, "plain", "NoCompression, Adam's state shared" + (", deltas" if PLAN["delta"] else ""), EXACT)


def close_beside():
    for _, run in [one for one in ENV.values() if isinstance(one, tuple)]:
        run.cancel()
    BESIDE.shutdown()


try:
    tap.run(the_release_and_pytorch_are_here,
            our_names_and_values_of_an_optimisers_state_are_openfls,
            a_state_that_cannot_be_known_before_training_is_not_kept_back_in_silence,
            openfl_makes_the_initial_model_and_ours_adds_the_state,
            real_collaborators_and_our_aggregator_end_with_the_real_ones_model_and_state_bit_for_bit,
            *((a_state_that_real_collaborators_send_though_it_stays_at_its_site_is_dropped,) if UNTIL_18 else ()),
            *(() if UNTIL_16 else (collaborators_of_ours_that_begin_in_the_last_round_take_the_state_from_the_model,)),
            our_collaborators_and_the_real_aggregator_without_a_declared_state_end_with_the_same_model,
            a_model_is_saved_as_openfls_own_runner_for_pytorch_has_it)
finally:
    close_beside()
    shutil.rmtree(STAGE, ignore_errors=True)
