#!/usr/bin/env python3
"""Real, unmodified OpenFL collaborators against a Vouch aggregator without attestation: everything else in
the workspace, PKI and initial model too, is made by OpenFL's own `fx`.

usage: openfl_plain_test.py DIRECTORY-OF-PROGRAMS BUILD [RELEASE]
"""
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import tap  # noqa: E402
from federation import DIGITS, Process, Site, free_port, openfl_environment  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
BUILD = sys.argv[2]
RELEASE = sys.argv[3] if len(sys.argv) > 3 else "1.9"
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-openfl-"))
NAMES = ("col1", "col2")
ENV = {}


def the_release_installs_into_a_virtual_environment():
    ENV["fx"] = openfl_environment(BUILD, RELEASE, "numpy<2.3") / "fx"


def write_plan(site, rounds):
    text = (HERE / "openfl/plan.yaml").read_text().replace("@PORT@", str(free_port()))
    assert "rounds_to_train: 3" in text
    (site / "plan/plan.yaml").write_text(text.replace("rounds_to_train: 3", f"rounds_to_train: {rounds}"))


def openfl_makes_the_workspace_its_pki_and_the_initial_model():
    site = ENV["site"] = Site(STAGE / "workspace", ENV["fx"].parent)
    shutil.copytree(HERE / "openfl/src", site / "src")
    shutil.copy(DIGITS, site / "data/optdigits.csv")
    write_plan(site, 3)
    (site / "plan/cols.yaml").write_text("collaborators: []\n")
    (site / "plan/data.yaml").touch()
    (site / ".workspace").write_text("current_plan_name: default\n")
    site.run("fx", "workspace", "certify")
    site.run("fx", "aggregator", "generate-cert-request", "--fqdn", "localhost")
    site.run("fx", "aggregator", "certify", "--fqdn", "localhost", "-s")
    for i, name in enumerate(NAMES):
        site.run("fx", "collaborator", "create", "-n", name, "-d", f"data/optdigits.csv#{i}/{len(NAMES)}", "-s")
        site.run("fx", "collaborator", "generate-cert-request", "-n", name, "-s", "-x")
        site.run("fx", "collaborator", "certify", "-n", name, "-s")
    site.run("fx", "plan", "initialize")


def play(aggregator_words, label):
    """One federation in the workspace: the aggregator given, real collaborators. Returns its log."""
    site = ENV["site"]
    aggregator = Process(aggregator_words, site.directory, STAGE / f"{label}-aggregator.log")
    with aggregator:
        running = [Process([ENV["fx"], "collaborator", "start", "-n", name], site.directory,
                           STAGE / f"{label}-{name}.log") for name in NAMES]
        with running[0], running[1]:
            for process in running:
                assert process.wait(180) == 0, process.tail() + "\naggregator:\n" + aggregator.tail()
        assert aggregator.wait(60) == 0, aggregator.tail()
    return aggregator.log.read_text()


def real_collaborators_train_three_rounds_with_our_aggregator():
    log = play([PROGRAMS / "vouch", "aggregator", "start", "--log-format", "json", "--log-level", "info"], "ours")
    assert log.count('"event":"round.finished"') == 3, log[-3000:]
    site = ENV["site"]
    for name in ("best", "last", "final"):
        shutil.move(site / f"save/{name}.pbuf", STAGE / f"{name}.pbuf")


def the_final_model_is_bit_for_bit_the_real_aggregators():
    # it never writes what its last round made, so it goes one round further than we look
    site = ENV["site"]
    write_plan(site, 4)
    play([ENV["fx"], "aggregator", "start"], "real")
    code = ("import sys\n"
            "from openfl.protocols import utils\n"
            "from openfl.pipelines import NoCompressionPipeline\n"
            "models = [utils.deconstruct_model_proto(utils.load_proto(p), NoCompressionPipeline()) for p in sys.argv[1:]]\n"
            "(ours, our_round), (real, real_round) = models\n"
            "assert our_round == real_round == 3, (our_round, real_round)\n"
            "assert sorted(ours) == sorted(real) == ['bias', 'weight']\n"
            "assert abs(real['weight']).max() > 0\n"
            "for name in ours:\n"
            "    assert ours[name].tobytes() == real[name].tobytes(), abs(ours[name] - real[name]).max()\n")
    site.run("python", "-c", code, STAGE / "final.pbuf", site / "save/last.pbuf")


def a_collaborator_with_another_plan_is_told_so_and_holds_nobody_up():
    site = ENV["site"]
    write_plan(site, 3)
    plan = (site / "plan/plan.yaml").read_text()
    other = site / "plan/other.yaml"
    other.write_text(plan.replace("epochs: 5", "epochs: 6"))
    aggregator = Process([PROGRAMS / "vouch", "aggregator", "start", "--log-format", "json", "--log-level", "info"],
                         site.directory, STAGE / "other-aggregator.log")
    with aggregator:
        aggregator.event("aggregator.listening")
        stranger = Process([ENV["fx"], "collaborator", "start", "-n", "col2", "-p", "plan/other.yaml"],
                           site.directory, STAGE / "other-col2.log")
        with stranger:
            refusal = aggregator.event("call.refused", 60)
            assert "another federation or plan" in refusal["reason"], refusal
        running = [Process([ENV["fx"], "collaborator", "start", "-n", name], site.directory,
                           STAGE / f"after-{name}.log") for name in NAMES]
        with running[0], running[1]:
            for process in running:
                assert process.wait(180) == 0, process.tail()
        assert aggregator.wait(60) == 0, aggregator.tail()


try:
    tap.run(
        the_release_installs_into_a_virtual_environment,
        openfl_makes_the_workspace_its_pki_and_the_initial_model,
        real_collaborators_train_three_rounds_with_our_aggregator,
        the_final_model_is_bit_for_bit_the_real_aggregators,
        a_collaborator_with_another_plan_is_told_so_and_holds_nobody_up,
    )
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
