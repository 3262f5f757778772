#!/usr/bin/env python3
"""One release of the real, unmodified OpenFL against Vouch, in both directions, over mTLS with OpenFL's PKI,
in workspaces that each made and both worked in.

A real aggregator tells an idle collaborator to sleep for ten seconds, so its runs go on beside ours.

usage: openfl_release_test.py DIRECTORY-OF-PROGRAMS BUILD RELEASE [PART-OF-A-TEST'S-NAME]...
"""
import concurrent.futures
import contextlib
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import openfl_habits as habits  # noqa: E402
import openfl_peer as peer  # noqa: E402
import openfl_stragglers as stragglers  # noqa: E402
from openfl_attested import Stage  # noqa: E402
from openfl_peer import LOG, NAMES, Process, Site, tap  # noqa: E402
from ports import free_port  # noqa: E402

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
BUILD, RELEASE = sys.argv[2], sys.argv[3]
PARTS = sys.argv[4:]
STAGE = pathlib.Path(tempfile.mkdtemp(prefix=f"vouch-openfl-{RELEASE}-"))
THREE = ("col1", "col2", "col3")
OUR_RELEASE = ("--openfl-release", RELEASE)
STATEFUL = ("src.digits.DigitsDataLoader", "{}", "src.stateful.StatefulTaskRunner", "{}")
GROUP = {"group": THREE, "runner": STATEFUL if peer.number(RELEASE) < (1, 9) else peer.PYTHON}
BESIDE = concurrent.futures.ThreadPoolExecutor(16)
THEIRS = "real collaborators, our aggregator"
OURS = "our collaborators, real aggregator"
IN_A_GROUP = "three real collaborators in a static group, our aggregator"
EXACT = "bit for bit as the real aggregator"
PACKAGE = peer.HERE.parent.parent / "python"
# How far a saved model may be from the uncompressed one, and the accuracy that is left after three rounds: RandomShift
# loses low bits, Eden all but eight of each value; the others lose all but some values, when the model is saved
# (through the pipeline) once more.
EDEN = "EdenPipeline"
# The oldest and the newest stand for those between: Eden's arithmetic is one, and its processes start slowly; the
# commands that keep a workspace's files are the same.
ENDS = ("1.5.1", "1.9")
EVERYONE = "everyone"  # the common name, where all have one certificate
PIPELINES = {"RandomShiftPipeline": (1e-3, 0.8), "KCPipeline": (0.5, 0.7), "SKCPipeline": (0.95, 0.3),
             "STCPipeline": (1.05, 0.15), EDEN: (0.03, 0.8)}
BUT_EDEN = [p for p in PIPELINES if p != EDEN]
# Until 1.7 `workspace create` installs its template's packages.
SINCE_17, SINCE_18 = peer.number(RELEASE) >= (1, 7), peer.number(RELEASE) >= (1, 8)
ENV = {}
STANDING = contextlib.ExitStack()


def log_of(site, who):
    return STAGE / f"{site.directory.name}-{who}.log"


def our_aggregator(site):
    return [PROGRAMS / "vouch", "aggregator", "start", *OUR_RELEASE, *LOG], site, log_of(site, "aggregator")


def real_aggregator(site):
    return [ENV["fx"], "aggregator", "start"], site, log_of(site, "aggregator")


def our_collaborators(site):
    return [([PROGRAMS / "vouch", "collaborator", "start", "-n", name, *OUR_RELEASE, *LOG], site,
             log_of(site, name)) for name in NAMES]


def real_collaborators(site, names=NAMES):
    return [([ENV["fx"], "collaborator", "start", "-n", name], site, log_of(site, name)) for name in names]


def nobody(_):
    return []


def three_real_collaborators(site):
    return real_collaborators(site, THREE)


def both_kinds(site):
    """col1 is ours, running the plan's Python classes in a child; col2 is real. plan/runner.yaml is in no hash."""
    write_runner(site)
    return [our_collaborators(site)[0], real_collaborators(site)[1]]


def ours_running_their_classes(site):
    write_runner(site)
    return our_collaborators(site)


def write_runner(site):
    (site / "plan/runner.yaml").write_text(f"command: [{ENV['fx'].parent / 'python'}, -m, vouch_runner.openfl]\n"
                                           f"environment: {{PYTHONPATH: '{PACKAGE}:.'}}\n")


def the_release_installs_into_a_virtual_environment():
    ENV["fx"] = peer.environment(BUILD, RELEASE) / "fx"


def check_strictly(site, *certificates):
    chain = site / "cert/cert_chain.crt"
    subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", chain, *certificates], check=True,
                   capture_output=True)


def enrol(site, one, other):
    """The aggregator and col1 by `one` program's commands. col2 asks elsewhere with the `other` program, `one`
    signs, and the other installs: so each reads what the other wrote."""
    one_site, elsewhere = Site(site.directory, one.parent), Site(STAGE / f"{site.directory.name}-col2", other.parent)
    fx, theirs = one.name, other.name
    one_site.run(fx, "workspace", "certify")
    one_site.run(fx, "aggregator", "generate-cert-request", "--fqdn", "localhost")
    one_site.run(fx, "aggregator", "certify", "--fqdn", "localhost", "-s")
    one_site.run(fx, "collaborator", "generate-cert-request", "-n", "col1", "-s", "-x")
    one_site.run(fx, "collaborator", "certify", "-n", "col1", "-s")
    elsewhere.run(theirs, "collaborator", "generate-cert-request", "-n", "col2", "-s")
    shutil.copy(elsewhere / "col_col2_to_agg_cert_request.zip", site / "request.zip")
    one_site.run(fx, "collaborator", "certify", "--request-pkg", "request.zip", "-s")
    shutil.copy(site / "agg_to_col_col2_signed_cert.zip", elsewhere / "signed.zip")
    elsewhere.run(theirs, "collaborator", "certify", "--import", "signed.zip")
    for end in ("crt", "key"):  # the collaborators of these tests share a directory
        shutil.copy(elsewhere / f"cert/client/col_col2.{end}", site / f"cert/client/col_col2.{end}")
    assert (elsewhere / "cert/cert_chain.crt").read_bytes() == (site / "cert/cert_chain.crt").read_bytes()
    assert (site / "plan/cols.yaml").read_text() == "collaborators:\n- col1\n- col2\n"


def openfl_makes_a_workspace_and_ours_works_in_it():
    site = ENV["theirs"] = Site(STAGE / "theirs", PROGRAMS)
    peer.lay_out(site)
    (site / "plan/plan.yaml").write_text(peer.plan_text(RELEASE, free_port()))
    enrol(site, ENV["fx"], PROGRAMS / "vouch")
    (site / "plan/data.yaml").write_text(peer.data_lines())
    Site(site.directory, ENV["fx"].parent).run("fx", "plan", "initialize")
    check_theirs = subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", site / "cert/cert_chain.crt",
                                   site / "cert/client/col_col1.crt"], capture_output=True)
    assert check_theirs.returncode != 0, "OpenFL's own PKI passes strict checking by now: docs/openfl.md says it does not"


def ours_makes_a_workspace_and_openfl_works_in_it():
    desk = Site(STAGE, PROGRAMS)
    desk.run("vouch", "workspace", "create", "--prefix", "ours")
    site = ENV["ours"] = Site(STAGE / "ours", PROGRAMS)
    shutil.copytree(peer.HERE / "openfl/src", site / "src", dirs_exist_ok=True)
    shutil.copy(peer.DIGITS, site / "data/optdigits.csv")
    (site / "plan/plan.yaml").write_text(peer.plan_text(RELEASE, free_port(), runner=peer.VOUCH))
    enrol(site, PROGRAMS / "vouch", ENV["fx"])
    (site / "plan/data.yaml").write_text(peer.data_lines())
    site.run("vouch", "plan", "initialize", *OUR_RELEASE)
    check_strictly(site, *(site / f"cert/{n}.crt" for n in ("server/agg_localhost", "client/col_col1", "client/col_col2")))


def each_unpacks_the_workspace_that_the_other_packed():
    ours, theirs = ENV["ours"], Site(ENV["theirs"].directory, ENV["fx"].parent)
    ours.run("vouch", "workspace", "export")
    theirs.run("fx", "workspace", "export")
    for name, programs in (("ours", ENV["fx"]), ("theirs", PROGRAMS / "vouch")):
        elsewhere = Site(STAGE / f"{name}-unpacked", programs.parent)
        shutil.copy(STAGE / name / f"{name}.zip", elsewhere / f"{name}.zip")
        elsewhere.run(programs.name, "workspace", "import", "--archive", f"{name}.zip")
        assert (elsewhere / name / "src/digits.py").read_bytes() == (peer.HERE / "openfl/src/digits.py").read_bytes()
        assert (elsewhere / name / "plan/plan.yaml").exists() and not list((elsewhere / name).rglob("*.key"))


def hash_plan_alike(site):
    code = ("import importlib.util\nfrom pathlib import Path\nfrom openfl.federated import Plan\n"
            "print(Plan.parse(Path('plan/plan.yaml'), resolve=False).hash)\n")
    real = Site(site.directory, ENV["fx"].parent).run("python", "-c", code).split()[-1]
    assert site.run("vouch", "plan", "hash", *OUR_RELEASE).split()[0] == real, site.directory


def both_compute_the_same_hash_of_the_plan():
    for name in ("ours", "theirs"):
        hash_plan_alike(ENV[name])


def ours_works_in_a_workspace_as_the_real_fx_creates_it():
    """Until 1.7 creating one installs its template's packages."""
    Site(STAGE / "created", ENV["fx"].parent).run("fx", "workspace", "create", "--prefix", "made", "--template",
                                                  "torch/mnist")
    made = Site(STAGE / "created/made", PROGRAMS)
    hash_plan_alike(made)
    made.run("vouch", "workspace", "certify")
    made.run("vouch", "collaborator", "create", "-n", "col1", "-d", "1")
    made.run("vouch", "collaborator", "generate-cert-request", "-n", "col1", "-s", "-x")
    made.run("vouch", "collaborator", "certify", "-n", "col1", "-s")
    made.run("vouch", "plan", "save", "-n", "default")
    made.run("vouch", "workspace", "export")
    elsewhere = Site(STAGE / "created/elsewhere", ENV["fx"].parent)
    shutil.copy(made / "made.zip", elsewhere / "made.zip")
    elsewhere.run("fx", "workspace", "import", "--archive", "made.zip")
    assert (elsewhere / "made/plan/cols.yaml").read_text() == "collaborators:\n- col1\n"
    assert (elsewhere / "made/plan/plan.yaml").read_bytes() == (made / "plan/plan.yaml").read_bytes()


def desk(name, label):
    return habits.Desk(ENV[name], STAGE / f"{name}-{label}", ENV["fx"], PROGRAMS)


def both_freeze_a_plan_to_the_same_file():
    for name in ("ours", "theirs"):
        habits.freeze_alike(desk(name, "frozen-by-them"), desk(name, "frozen-by-us"), RELEASE)


def each_goes_on_with_the_plans_that_the_other_saved():
    for name in ("ours", "theirs"):
        habits.keep_plans_by_turns(desk(name, "plans"), RELEASE)


def each_signs_what_the_other_asked_for_with_the_authority_of_either():
    for name in ("ours", "theirs"):
        habits.certify_by_turns(desk(name, "turns"))


def each_notes_where_data_lies_beside_what_the_other_noted():
    for name in ("ours", "theirs"):
        habits.note_data_by_turns(desk(name, "noted"), RELEASE)


def both_save_the_same_arrays_of_a_model_that_either_aggregator_made():
    ENV["real"][1].result()
    python = ENV["fx"].parent / "python"
    for site, model in ((ENV["real"][0], "save/last.pbuf"), (Site(STAGE / "plain", PROGRAMS), "save/final.pbuf")):
        saver = habits.Desk(site, STAGE / f"{site.directory.name}-native", ENV["fx"], PROGRAMS)
        habits.save_models_alike(saver, python, model, RELEASE)
    write_runner(saver)
    habits.save_models_by_their_runner(saver, python, model, RELEASE)


# What hides nothing or has no fixed shape is refused, not hashed: Flower, XGBoost's trees, a plan of no tasks.
NOT_SERVED = {"flower-app-pytorch": "connector", "xgb_higgs": "FedBaggingXGBoost", "no-op": "'tasks' is missing",
              "histogram": "AggregateHistogram", "smokers_health": "AggregateHealthMetrics"}


def every_plan_that_the_release_ships_has_the_same_hash_and_port():
    code = ("import importlib.util, logging, os, openfl\nfrom pathlib import Path\nlogging.disable(logging.CRITICAL)\n"
            "from openfl.federated import Plan\n"
            "for path in sorted((Path(openfl.__file__).parent.parent / 'openfl-workspace').rglob('plan/plan.yaml')):\n"
            "    plan = Plan.parse(path, resolve=False)\n    full = plan.hash\n    plan.resolve()\n"
            "    print('PLAN', path, full, plan.config['network']['settings'].get('agg_port'))\n")
    host = {"FQDN": "agg.example.org"}
    real = Site(STAGE, ENV["fx"].parent).run("python", "-c", code, environment=host)
    plans = [line.split()[1:] for line in real.splitlines() if line.startswith("PLAN")]
    plans = [plan for plan in plans if "experimental" not in plan[0]]  # the Workflow API's: another protocol
    assert len(plans) >= 3, real
    compared = 0
    for path, full, port in plans:
        name = pathlib.Path(path).parent.parent.name
        words = [PROGRAMS / "vouch", "plan", "hash", "-p", path, "--json", *OUR_RELEASE]
        done = subprocess.run(words, capture_output=True, text=True, env=dict(os.environ, **host), timeout=60)
        if name in NOT_SERVED:
            assert done.returncode == 2 and NOT_SERVED[name] in done.stderr, (name, done)
            continue
        assert done.returncode == 0, (name, done.stderr)
        ours = json.loads(done.stdout)
        assert (ours["hash"], str(ours["agg_port"])) == (full, port), (name, ours, full, port)
        compared += 1
    assert compared >= 1, plans
    guide = (peer.HERE.parent.parent / "docs/openfl.md").read_text()
    assert all(f"`{name}`" in guide for name in NOT_SERVED)


def no_setting_of_the_releases_own_classes_is_unknown():
    """Whatever a plan may say to the real Aggregator, Collaborator and so on; what OpenFL itself hands them is left out.
    One that nobody knows stands beside them in each section, so that an answer is shown to name such ones."""
    site = peer.copy_of(ENV["theirs"], STAGE / "every-setting", release=RELEASE)
    code = ("import inspect, json, openfl.component, yaml\n"
            "from openfl.transport import AggregatorGRPCClient, AggregatorGRPCServer\n"
            "own = ('kwargs self aggregator aggregator_uuid assigner authorized_cols certificate client '\n"
            "       'collaborator_name compression_pipeline connector federation_uuid initial_tensor_dict '\n"
            "       'private_key refetch_server_cert_callback root_certificate root_certificate_refresher_cb '\n"
            "       'rounds_to_train straggler_handling_policy task_config task_runner tasks').split()\n"
            "plan = yaml.safe_load(open('plan/plan.yaml'))\n"
            "plan['assigner']['template'] = 'openfl.component.RandomGroupedAssigner'\n"
            "named = lambda section: getattr(openfl.component, plan[section]['template'].rpartition('.')[2])\n"
            "takers = {'network': [AggregatorGRPCClient, AggregatorGRPCServer],\n"
            "          'aggregator': [openfl.component.Aggregator], 'collaborator': [openfl.component.Collaborator],\n"
            "          'assigner': [named('assigner')],\n"
            "          'straggler_handling_policy': [named('straggler_handling_policy')]}\n"
            "for section, classes in takers.items():\n"
            "    settings = plan[section].setdefault('settings', {})\n"
            "    settings['never_heard_of'] = None\n"
            "    for one in (c for taker in classes for c in taker.__mro__ if '__init__' in vars(c) and c != object):\n"
            "        for name in set(inspect.signature(one.__init__).parameters) - {*own, *settings}:\n"
            "            settings[name] = None\n"
            "            print('SETTING', section, name)\n"
            "json.dump(plan, open('plan/every.yaml', 'w'), indent=1)\n")
    said = Site(site.directory, ENV["fx"].parent).run("python", "-c", code)
    assert said.count("SETTING") > 5, said
    done = subprocess.run([PROGRAMS / "vouch", "plan", "hash", "-p", "plan/every.yaml", *OUR_RELEASE], text=True,
                          cwd=site.directory, capture_output=True, timeout=60)
    unknown = re.findall("^plan/.*: unknown key '(.*?)'", done.stderr, re.M)
    assert done.returncode == 2 and unknown == ["never_heard_of"] * 5, (said, done.stderr)


def environment_of(pipeline):
    """What OpenFL's processes need besides: Eden is PyTorch's."""
    return peer.with_torch(BUILD, ENV["fx"].parent / "python") if pipeline == EDEN else None


def until_saved(rounds):
    """Since 1.7 the real aggregator never writes what its last round made: it must be given one round more."""
    return rounds if peer.number(RELEASE) < (1, 7) else rounds + 1


def start_beside(label, site, collaborators, rounds=3, play=peer.play, **plan):
    """A run with a real aggregator."""
    other = peer.copy_of(site, STAGE / label, release=RELEASE, rounds=until_saved(rounds), **plan)
    if "pipeline" in plan:  # the initial model goes through it, too
        other.run("vouch", "plan", "initialize", *OUR_RELEASE)
    ENV[label] = other, BESIDE.submit(play, real_aggregator(other), collaborators(other))


def with_a_third(site, directory):
    """The same workspace, with one more member and the data in three shares."""
    other = peer.copy_of(site, directory, release=RELEASE)
    other.run("vouch", "collaborator", "generate-cert-request", "-n", "col3", "-s", "-x")
    other.run("vouch", "collaborator", "certify", "-n", "col3", "-s")
    (other / "plan/data.yaml").write_text(peer.data_lines(THREE))
    return other


def with_one_certificate(site, directory):
    """The same workspace, where both collaborators have one certificate. OpenFL opens the files of a collaborator's
    name, whatever common name is in them."""
    other = peer.copy_of(site, directory, release=RELEASE)
    cols = (other / "plan/cols.yaml").read_text()
    other.run("vouch", "collaborator", "generate-cert-request", "-n", EVERYONE, "-s", "-x")
    other.run("vouch", "collaborator", "certify", "-n", EVERYONE, "-s")
    (other / "plan/cols.yaml").write_text(cols)
    for name in NAMES:
        for end in ("crt", "key"):
            shutil.copy(other / f"cert/client/col_{EVERYONE}.{end}", other / f"cert/client/col_{name}.{end}")
    return other


def real_aggregators_start_on_the_same_inputs():
    start_beside("real", ENV["theirs"], real_collaborators)
    start_beside("moving", ENV["theirs"], real_collaborators, rounds=1)
    start_beside("unmoved", ENV["theirs"], real_collaborators, rounds=4)
    ENV["three"] = with_a_third(ENV["theirs"], STAGE / "three")
    start_beside("real-three", ENV["three"], three_real_collaborators, **GROUP)
    for kind, policy in stragglers.policies(RELEASE).items() if RELEASE in ENDS else ():
        start_beside(f"real-{kind}", ENV["three"], three_real_collaborators, play=stragglers.play, rounds=1,
                     runner=stragglers.RUNNER, stragglers=policy)
    start_beside("real-delta", ENV["theirs"], real_collaborators, delta=True)
    if RELEASE in ENDS:
        for name in ("theirs", "ours"):
            ENV[f"{name}-shared"] = with_one_certificate(ENV[name], STAGE / f"{name}-shared")
        start_beside("real-ours-shared", ENV["ours-shared"], our_collaborators if SINCE_17 else nobody,
                     runner=peer.VOUCH, common_name=EVERYONE)
    start_beside("real-both", ENV["theirs"], both_kinds)
    start_beside("real-ours", ENV["ours"], our_collaborators, runner=peer.VOUCH)
    start_beside("real-ours-delta", ENV["ours"], our_collaborators, runner=peer.VOUCH, delta=True)
    for pipeline in PIPELINES if RELEASE in ENDS else BUT_EDEN:
        with contextlib.suppress(tap.Skip):  # of Eden, which its test will say
            play = functools.partial(peer.play, environment=environment_of(pipeline))
            start_beside(f"real-ours-{pipeline}", ENV["ours"], our_collaborators, play=play, runner=peer.VOUCH,
                         delta=True, pipeline=pipeline)


def compare(site, real):
    other, run = ENV[real]
    run.result()
    python = ENV["fx"].parent / "python"
    peer.models_equal(python, site / "save/final.pbuf", other / "save/last.pbuf", 3)
    if peer.number(RELEASE) < (1, 7):  # ... and last.pbuf is the same file, as theirs is
        peer.models_equal(python, site / "save/last.pbuf", other / "save/last.pbuf", 3)
    else:  # the model of the round before: the real one ran one round more, so ours is of another round
        assert (site / "save/last.pbuf").read_bytes() != (site / "save/final.pbuf").read_bytes()
        peer.model_is_of_round(python, site / "save/last.pbuf", 2)


def against_our_aggregator(label, real, made_in, collaborators, **plan):
    site = peer.copy_of(ENV[made_in], STAGE / label, release=RELEASE, **plan)
    run = peer.play(our_aggregator(site), collaborators(site))
    assert len(run.events("round.finished")) == 3, run.tail()
    compare(site, real)


def real_collaborators_and_our_aggregator_end_with_the_real_ones_model_bit_for_bit():
    against_our_aggregator("plain", "real", "theirs", real_collaborators)
    peer.row(RELEASE, THEIRS, "plain", "NoCompression", EXACT)


def three_in_a_static_group_end_with_the_real_ones_model_bit_for_bit():
    """With more than two the order of summing matters, and the real aggregator keeps one only there: the group's. Until
    1.8 their task runner sends its optimiser's state, as OpenFL's own do, and our aggregator drops it."""
    against_our_aggregator("three-ours", "real-three", "three", three_real_collaborators, **GROUP)
    peer.row(RELEASE, IN_A_GROUP, "plain", "NoCompression", EXACT)


def without_one(kind, policy):
    """A round that one of three real collaborators stands still in, with our aggregator."""
    site = peer.copy_of(ENV["three"], STAGE / kind, release=RELEASE, rounds=1, runner=stragglers.RUNNER,
                        stragglers=policy)
    return site, stragglers.play(our_aggregator(site), three_real_collaborators(site), over="federation.finished")


def a_round_ends_without_a_straggler_where_the_real_one_ends_it_and_with_the_same_model():
    policies = stragglers.policies(RELEASE)
    with concurrent.futures.ThreadPoolExecutor(len(policies)) as pool:
        runs = dict(zip(policies, pool.map(without_one, policies, policies.values())))
    for kind, (site, run) in runs.items():
        (ended,) = run.events("round.finished")
        assert ended["reported"] == 2, ended
        dropped = [e["task"] for e in run.events("result.dropped") if e["collaborator"] == "col3"]
        assert len(dropped) == 3, run.tail()  # what it sent when it went on: answered with OK
        other, real = ENV[f"real-{kind}"]
        real.result()
        peer.models_equal(ENV["fx"].parent / "python", site / "save/final.pbuf", other / "save/last.pbuf", 1)
        peer.row(RELEASE, f"three real collaborators, one a straggler ({kind}), our aggregator", "plain",
                 "NoCompression", EXACT)


def metric_lines(label):
    """The texts of a log's METRIC lines, but for where they were written, for the address of a Python object, and for
    what 1.5.1 has for a collaborator's name: the last of the sorted tags. OpenFL folds what is long, under the text."""
    log = re.sub(r" +[a-z_]+\.py:\d+ *\n", "\n", (STAGE / f"{label}.log").read_text())
    log = re.sub(r" *\n {20}(?=\S)", " ", log)
    found = [" ".join(line.split()) for line in re.findall(r"METRIC +(.*)", log)]
    found = [re.sub(r" at 0x[0-9a-f]+>", " at 0x0>", line) for line in found]
    return sorted(re.sub(r"collaborator \S+ (\S+ result )", r"collaborator _ \1", line) for line in found)


def metric_lines_are_those_of_the_release():
    for label in ("real", "real-both"):
        ENV[label][1].result()
    theirs, ours = metric_lines("real-aggregator"), metric_lines("plain-aggregator")
    if peer.number(RELEASE) >= (1, 7):  # there are none any more; ours go on with 1.6's
        assert not theirs and not metric_lines("real-col1"), theirs
        assert len(ours) == 3 * 9, ours
        return
    assert len(theirs) > 3 * 9 and theirs == ours, (theirs, ours)
    theirs, ours = metric_lines("real-col1"), metric_lines("real-both-col1")
    assert len(theirs) == 3 * 3 and theirs == ours, (theirs, ours)


def real_collaborators_that_send_deltas_end_with_the_real_ones_model_bit_for_bit():
    against_our_aggregator("delta", "real-delta", "theirs", real_collaborators, delta=True)
    peer.row(RELEASE, THEIRS, "plain", "NoCompression, deltas", EXACT)


def a_federation_moves_one_by_one_and_its_model_is_bit_for_bit_that_of_one_that_stays():
    """docs/openfl.md: one federation, in its own workspace, a round after each step: all Python; then the aggregator;
    then one collaborator; then all. Of its files only rounds_to_train changes, and each step begins with the model
    that the one before made."""
    site, run = ENV["moving"]
    run.result()
    result = site / "save/last.pbuf"
    steps = {"real collaborators": real_collaborators, "one of each": both_kinds,
             "ours running their classes": ours_running_their_classes}
    for round, (who, collaborators) in enumerate(steps.items(), 1):
        shutil.copy(result, site / "save/init.pbuf")
        peer.give_rounds(site, round + 1)
        run = peer.play(our_aggregator(site), collaborators(site))
        assert [e["round"] for e in run.events("round.finished")] == [round], run.tail()
        result = site / "save/final.pbuf"
    other, run = ENV["unmoved"]
    run.result()
    peer.models_equal(ENV["fx"].parent / "python", result, other / "save/last.pbuf", 4)
    for who in steps:
        peer.row(RELEASE, f"{who}, our aggregator, a move's step", "plain", "NoCompression", EXACT)


def one_collaborator_moves_first_and_the_real_aggregators_model_is_the_same():
    other, run = ENV["real-both"]
    run.result()
    peer.models_equal(ENV["fx"].parent / "python", other / "save/last.pbuf", ENV["real"][0] / "save/last.pbuf", 3)
    peer.row(RELEASE, "one of each, real aggregator", "plain", "NoCompression", EXACT)


def our_collaborators_and_the_real_aggregator_end_with_our_aggregators_model_bit_for_bit():
    against_our_aggregator("all-ours", "real-ours", "ours", our_collaborators, runner=peer.VOUCH)
    peer.row(RELEASE, OURS, "plain", "NoCompression", EXACT)


def our_collaborators_under_a_plan_with_deltas_and_the_real_aggregator_agree_bit_for_bit():
    against_our_aggregator("all-ours-delta", "real-ours-delta", "ours", our_collaborators, runner=peer.VOUCH, delta=True)
    peer.row(RELEASE, OURS, "plain", "NoCompression, deltas", EXACT)


def with_one_certificate_real_collaborators_and_our_aggregator_end_with_the_same_model_bit_for_bit():
    against_our_aggregator("shared", "real", "theirs-shared", real_collaborators, common_name=EVERYONE)
    peer.row(RELEASE, f"{THEIRS}, one certificate", "plain", "NoCompression", EXACT)


def with_one_certificate_our_collaborators_and_the_real_aggregator_end_with_the_same_model_bit_for_bit():
    (other, run), (own, before) = ENV["real-ours-shared"], ENV["real-ours"]
    run.result()
    before.result()
    peer.models_equal(ENV["fx"].parent / "python", other / "save/last.pbuf", own / "save/last.pbuf", 3)
    peer.row(RELEASE, f"{OURS}, one certificate", "plain", "NoCompression", EXACT)


def a_real_aggregator_until_1_6_does_not_start_with_one_certificate_for_all():
    """It warns of the setting before it has a logger. docs/openfl.md says so."""
    ended = ENV["real-ours-shared"][1].exception()
    assert "'Aggregator' object has no attribute 'logger'" in str(ended), ended


def distances(models, exact):
    """Of saved models, {pipeline: (path, reader)}, from the uncompressed one. What we wrote the real OpenFL reads
    through its own pipeline. What itself wrote with an exact zero among the values it may misread
    (docs/facts/openfl_interop.md section 6), so that is read by hand."""
    code = ("import gzip, sys, numpy, openfl.pipelines\n"
            "from openfl.protocols import utils\n"
            "def by_hand(path):\n"
            "    out = {}\n"
            "    for t in utils.load_proto(path).tensors:\n"
            "        values = next(m.int_to_float for m in t.transformer_metadata if m.int_to_float)\n"
            "        shape = next(m.int_list for m in t.transformer_metadata if m.int_list)\n"
            "        indices = numpy.frombuffer(gzip.decompress(t.data_bytes), numpy.float32).astype(int)\n"
            "        out[t.name] = numpy.array([values[i] for i in range(len(values))])[indices].reshape(shape)\n"
            "    return out\n"
            "def load(path, pipeline):\n"
            "    how = getattr(openfl.pipelines, pipeline)()\n"
            "    return utils.deconstruct_model_proto(utils.load_proto(path), how)[0]\n"
            "exact = load(sys.argv[1], 'NoCompressionPipeline')\n"
            "flat = lambda model: numpy.concatenate([model[n].ravel() for n in sorted(exact)]).astype(float)\n"
            "for pipeline, path, reader in zip(*[iter(sys.argv[2:])] * 3):\n"
            "    got = by_hand(path) if reader == 'by-hand' else load(path, pipeline)\n"
            "    found = numpy.linalg.norm(flat(got) - flat(exact)) / numpy.linalg.norm(flat(exact))\n"
            "    print('DISTANCE', pipeline, found)\n")
    words = [word for pipeline, (path, reader) in models.items() for word in (pipeline, path, reader)]
    python = Site(STAGE / "desk", ENV["fx"].parent)
    environment = environment_of(EDEN) if EDEN in models else None
    said = python.run("python", "-c", code, exact, *words, environment=environment)
    found = dict(line.split()[1:] for line in said.splitlines() if line.startswith("DISTANCE"))
    assert sorted(found) == sorted(models), said
    return {pipeline: float(one) for pipeline, one in found.items()}


def say_pipeline(who, attested_or_not, pipeline, found, accuracy=""):
    peer.row(RELEASE, who, attested_or_not, f"{pipeline.removesuffix('Pipeline')}, deltas",
             f"{found:.1e} from the uncompressed model{accuracy}")


@functools.lru_cache
def initialised(pipeline):
    """A workspace whose initial model the real fx sent through its own pipeline."""
    site = peer.copy_of(ENV["theirs"], STAGE / pipeline, release=RELEASE, delta=True, pipeline=pipeline)
    Site(site.directory, ENV["fx"].parent).run("fx", "plan", "initialize", environment=environment_of(pipeline))
    return site


def plain(label, made_in, environment, **plan):
    site = peer.copy_of(made_in, STAGE / label, release=RELEASE, **plan)
    return site, peer.play(our_aggregator(site), real_collaborators(site), environment=environment)


def real_collaborators_and_our_aggregator_through(pipelines, run, attested_or_not):
    """Side by side: most of such a run is Python that starts."""
    environments = {p: environment_of(p) for p in pipelines}  # or a skip
    with concurrent.futures.ThreadPoolExecutor(len(pipelines)) as pool:
        sites = dict(zip(pipelines, pool.map(initialised, pipelines)))
        runs = {p: pool.submit(run, f"{attested_or_not}-{p}", made_in=sites[p], environment=environments[p], delta=True,
                               pipeline=p) for p in pipelines}
    exact, real = ENV["real"]
    real.result()
    found = distances({p: (one.result()[0] / "save/final.pbuf", "openfl") for p, one in runs.items()},
                      exact / "save/last.pbuf")
    for pipeline, (_, aggregator) in ((p, one.result()) for p, one in runs.items()):
        rounds, (most, least) = aggregator.events("round.finished"), PIPELINES[pipeline]
        assert len(rounds) == 3, aggregator.tail()
        accuracy = float(rounds[-1]["accuracy"])
        assert found[pipeline] <= most and accuracy > least, (pipeline, found, accuracy)
        say_pipeline(THEIRS, attested_or_not, pipeline, found[pipeline], f", accuracy {accuracy:.2f}")


def our_collaborators_and_the_real_aggregator_through(pipelines):
    environment_of(pipelines[-1])  # or a skip
    exact, real = ENV["real-ours"]
    runs = {p: ENV[f"real-ours-{p}"] for p in pipelines}
    for run in (real, *(run for _, run in runs.values())):
        run.result()
    whole = ("RandomShiftPipeline", EDEN)
    found = distances({p: (site / "save/last.pbuf", "openfl" if p in whole else "by-hand")
                       for p, (site, _) in runs.items()}, exact / "save/last.pbuf")
    for pipeline in pipelines:
        assert found[pipeline] <= PIPELINES[pipeline][0], found
        say_pipeline(OURS, "plain", pipeline, found[pipeline])


def real_collaborators_and_our_aggregator_understand_each_other_through_every_pipeline_but_eden():
    real_collaborators_and_our_aggregator_through(BUT_EDEN, plain, "plain")


def real_collaborators_and_our_attested_aggregator_understand_each_other_through_every_pipeline_but_eden():
    real_collaborators_and_our_aggregator_through(BUT_EDEN, attested, "attested")


def our_collaborators_and_the_real_aggregator_understand_each_other_through_every_pipeline_but_eden():
    our_collaborators_and_the_real_aggregator_through(BUT_EDEN)


def real_collaborators_and_our_aggregator_understand_each_other_through_eden():
    real_collaborators_and_our_aggregator_through([EDEN], plain, "plain")


def real_collaborators_and_our_attested_aggregator_understand_each_other_through_eden():
    real_collaborators_and_our_aggregator_through([EDEN], attested, "attested")


def our_collaborators_and_the_real_aggregator_understand_each_other_through_eden():
    our_collaborators_and_the_real_aggregator_through([EDEN])


def a_collaborator_with_another_plan_is_told_so_and_holds_nobody_up():
    site = peer.copy_of(ENV["theirs"], STAGE / "other-plan", release=RELEASE)
    other = site / "plan/other.yaml"
    other.write_text((site / "plan/plan.yaml").read_text().replace("metrics: [loss]", "metrics: [loss, loss]"))
    with contextlib.ExitStack() as stack:
        aggregator = stack.enter_context(peer.start([our_aggregator(site)])[0])
        aggregator.event("aggregator.listening")
        stranger = Process([ENV["fx"], "collaborator", "start", "-n", "col2", "-p", "plan/other.yaml"], site.directory,
                           STAGE / "stranger.log")
        with stranger:
            refusal = aggregator.event("call.refused", 60)
            assert "another federation or plan" in refusal["reason"], refusal
            rest = [stack.enter_context(one) for one in peer.start(real_collaborators(site))]
            peer.see_to_the_end([aggregator, *rest])
        # until 1.6 a client that is told UNAUTHENTICATED ends; later ones sleep and repeat, so they are not flooding
        assert len(aggregator.events("call.refused")) < 200, len(aggregator.events("call.refused"))


def our_ping_reaches_the_real_aggregator_and_theirs_ours():
    """Until 1.8 there is no Ping: that it is unknown there is an answer, too."""
    knows = peer.number(RELEASE) >= (1, 9)
    site = peer.copy_of(ENV["ours"], STAGE / "ping", release=RELEASE, runner=peer.VOUCH)
    with peer.start([real_aggregator(site)])[0] as process:
        until = time.monotonic() + 60
        while True:
            done = subprocess.run([PROGRAMS / "vouch", "collaborator", "ping", "-n", "col1", *OUR_RELEASE], text=True,
                                  cwd=site.directory, capture_output=True, timeout=60)
            if done.returncode == 0:
                break
            assert done.returncode == 3 and time.monotonic() < until, (done, process.tail())
        assert ("aggregator_plan.yaml_" if knows else "OpenFL until 1.8") in done.stdout, done.stdout
    if not knows:
        return  # nor have they a command for it
    theirs = peer.copy_of(ENV["theirs"], STAGE / "ping-ours", release=RELEASE)
    with peer.start([our_aggregator(theirs)])[0] as process:
        process.event("aggregator.listening")
        Site(theirs.directory, ENV["fx"].parent).run("fx", "collaborator", "ping", "-n", "col1")
        assert not process.events("call.refused"), process.tail()


def both_compute_the_same_hash_of_a_data_set():
    if peer.number(RELEASE) < (1, 9):
        raise tap.Skip("collaborator calchash is 1.9's")
    site = Site(STAGE / "data-set", PROGRAMS)
    (site / "data/set/deep").mkdir(parents=True)
    for name, content in (("one.csv", "a,b\n1,2\n"), ("deep/two.bin", "x")):
        (site / "data/set" / name).write_text(content)
    (site / "data/set/link.csv").symlink_to("one.csv")
    (site / "data/set/deep/round").symlink_to(".")
    (site / "data/datasources.json").write_text(
        json.dumps({"all": {"type": "local", "params": {"path": "data/set"}},
                    "again": {"type": "local", "params": {"path": "data/set/deep/two.bin"}}}))
    ours = site.run("vouch", "collaborator", "calchash", "-j", "data").split()[0]
    (site / "data/hash.txt").unlink()
    Site(site.directory, ENV["fx"].parent).run("fx", "collaborator", "calchash", "-j", "data")
    assert (site / "data/hash.txt").read_text() == ours


def attested_scene(label, made_in=None, names=NAMES, **plan):
    """The aggregator's workspace (the one that OpenFL made), and the collaborators' elsewhere."""
    site = peer.copy_of(made_in or ENV["theirs"], STAGE / label, release=RELEASE, **plan)
    ENV["stage"].write_attestation(site, names)
    away = Site(STAGE / f"{label}-away", PROGRAMS)
    shutil.copytree(site.directory, away.directory, dirs_exist_ok=True)
    return site, away


def attested(label, names=NAMES, renewed_twice=False, environment=None, **scene):
    """Real collaborators against our attested aggregator."""
    stage = ENV["stage"]
    site, away = attested_scene(label, names=names, **scene)
    with contextlib.ExitStack() as stack:
        aggregator = stack.enter_context(stage.start_aggregator(site, log_of(site, "aggregator"), *OUR_RELEASE))
        aggregator.event("aggregator.listening")
        shutil.copy(stage.pin_root(site), away / "cert/cert_chain.crt")
        rest = [stack.enter_context(one) for one in peer.start(real_collaborators(away, names), environment)]
        if renewed_twice:
            stage.renew_twice(aggregator, rest[1], rest[0])
        peer.see_to_the_end([aggregator, *rest])
    assert len(aggregator.events("round.finished")) == 3, aggregator.tail()
    assert len(aggregator.events("identity.certificate_renewed")) >= 2 * renewed_twice
    return site, aggregator


def a_platform_and_a_verifier_stand():
    stage = ENV["stage"] = Stage(STAGE / "stage", PROGRAMS)
    STANDING.enter_context(stage.start_verifier()).event("verifyd.listening")


def real_collaborators_and_our_attested_aggregator_end_with_the_same_model_bit_for_bit():
    compare(attested("attested")[0], "real")
    peer.row(RELEASE, THEIRS, "attested", "NoCompression", EXACT)


def three_in_a_static_group_and_our_attested_aggregator_end_with_the_same_model_bit_for_bit():
    compare(attested("attested-three", made_in=ENV["three"], names=THREE, **GROUP)[0], "real-three")
    peer.row(RELEASE, IN_A_GROUP, "attested", "NoCompression", EXACT)


def real_collaborators_survive_two_renewals_of_the_attested_aggregators_certificate():
    compare(attested("renewed", renewed_twice=True, delta=True)[0], "real-delta")
    peer.row(RELEASE, THEIRS, "attested, two renewals", "NoCompression, deltas", EXACT)


def real_collaborators_survive_a_kill_and_restart_of_the_attested_aggregator():
    """Its federation CA is sealed, so the restarted program is the one that the collaborators pinned."""
    if peer.number(RELEASE) < (1, 8):
        raise tap.Skip("a client until 1.7 whose call is cut off repeats it on a channel that it hardly drives: it may "
                       "need minutes to connect again, or for ever (docs/openfl.md)")
    stage, (site, away) = ENV["stage"], attested_scene("killed")
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(stage.start_aggregator(site, log_of(site, "first"), *OUR_RELEASE))
        first.event("aggregator.listening")
        shutil.copy(stage.pin_root(site), away / "cert/cert_chain.crt")
        rest = [stack.enter_context(one) for one in peer.start(real_collaborators(away))]
        first.event("round.finished", 300, round=0)
        os.killpg(first.child.pid, signal.SIGKILL)
        first.child.wait()
        again = stack.enter_context(stage.start_aggregator(site, log_of(site, "again"), *OUR_RELEASE))
        again.event("aggregator.listening")
        peer.see_to_the_end([again, *rest])
    compare(site, "real")
    peer.row(RELEASE, THEIRS, "attested, killed and restarted", "NoCompression", EXACT)


def close_beside():
    for _, run in [one for one in ENV.values() if isinstance(one, tuple)]:
        run.cancel()
    BESIDE.shutdown()


THROUGH_EDEN = (
    real_collaborators_and_our_aggregator_understand_each_other_through_eden,
    our_collaborators_and_the_real_aggregator_understand_each_other_through_eden,
    real_collaborators_and_our_attested_aggregator_understand_each_other_through_eden,
)
UNDER_ONE_CERTIFICATE = (
    with_one_certificate_real_collaborators_and_our_aggregator_end_with_the_same_model_bit_for_bit,
    with_one_certificate_our_collaborators_and_the_real_aggregator_end_with_the_same_model_bit_for_bit if SINCE_17
    else a_real_aggregator_until_1_6_does_not_start_with_one_certificate_for_all,
)
BY_TURNS = (
    both_freeze_a_plan_to_the_same_file,
    each_goes_on_with_the_plans_that_the_other_saved,
    each_signs_what_the_other_asked_for_with_the_authority_of_either,
    each_notes_where_data_lies_beside_what_the_other_noted,
)
FIRST = (
    the_release_installs_into_a_virtual_environment,
    openfl_makes_a_workspace_and_ours_works_in_it,
    ours_makes_a_workspace_and_openfl_works_in_it,
    a_platform_and_a_verifier_stand,
    real_aggregators_start_on_the_same_inputs,
)
THEN = (
    each_unpacks_the_workspace_that_the_other_packed,
    both_compute_the_same_hash_of_the_plan,
    every_plan_that_the_release_ships_has_the_same_hash_and_port,
    no_setting_of_the_releases_own_classes_is_unknown,
    *((ours_works_in_a_workspace_as_the_real_fx_creates_it,) if SINCE_18 else ()),
    *(BY_TURNS if RELEASE in ENDS else ()),
    our_ping_reaches_the_real_aggregator_and_theirs_ours,
    both_compute_the_same_hash_of_a_data_set,
    real_collaborators_and_our_aggregator_end_with_the_real_ones_model_bit_for_bit,
    both_save_the_same_arrays_of_a_model_that_either_aggregator_made,
    metric_lines_are_those_of_the_release,
    three_in_a_static_group_end_with_the_real_ones_model_bit_for_bit,
    *((a_round_ends_without_a_straggler_where_the_real_one_ends_it_and_with_the_same_model,) if RELEASE in ENDS else ()),
    real_collaborators_that_send_deltas_end_with_the_real_ones_model_bit_for_bit,
    a_federation_moves_one_by_one_and_its_model_is_bit_for_bit_that_of_one_that_stays,
    one_collaborator_moves_first_and_the_real_aggregators_model_is_the_same,
    our_collaborators_and_the_real_aggregator_end_with_our_aggregators_model_bit_for_bit,
    our_collaborators_under_a_plan_with_deltas_and_the_real_aggregator_agree_bit_for_bit,
    real_collaborators_and_our_aggregator_understand_each_other_through_every_pipeline_but_eden,
    our_collaborators_and_the_real_aggregator_understand_each_other_through_every_pipeline_but_eden,
    real_collaborators_and_our_attested_aggregator_understand_each_other_through_every_pipeline_but_eden,
    *(UNDER_ONE_CERTIFICATE if RELEASE in ENDS else ()),
    *(THROUGH_EDEN if RELEASE in ENDS else ()),
    a_collaborator_with_another_plan_is_told_so_and_holds_nobody_up,
    real_collaborators_and_our_attested_aggregator_end_with_the_same_model_bit_for_bit,
    three_in_a_static_group_and_our_attested_aggregator_end_with_the_same_model_bit_for_bit,
    real_collaborators_survive_two_renewals_of_the_attested_aggregators_certificate,
    real_collaborators_survive_a_kill_and_restart_of_the_attested_aggregator,
)

try:
    with STANDING:
        tap.run(*FIRST, *(t for t in THEN if not PARTS or any(part in t.__name__ for part in PARTS)))
finally:
    close_beside()
    shutil.rmtree(STAGE, ignore_errors=True)
