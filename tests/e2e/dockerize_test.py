#!/usr/bin/env python3
"""`workspace dockerize` with engines that only write down what they are asked; tests/interop/image_test.py has a real one.

usage: dockerize_test.py PROGRAM
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import tap
from federation import Process

VOUCH = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-dockerize-"))
SITE, RECORD, BIN = STAGE / "fed", STAGE / "record", STAGE / "bin"
ENGINE = f"""#!/bin/sh
PATH=/usr/bin:/bin
[ "$1" = --version ] && exit 0
echo "${{0##*/}} $*" >>'{RECORD}/calls'
if [ "$1" = build ]; then
    echo "STEP 1"
    echo "and a complaint" >&2
    rm -rf '{RECORD}/context' && cp -r . '{RECORD}/context'
"""
BUILT, SAVED = "fi\n", "[ $1 = build ] || printf 'an image' >image.tar\n"


def engines(*names, then=BUILT + SAVED):
    """These, and no others, are in PATH."""
    for directory in (BIN, RECORD):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
    for name in names:
        (BIN / name).write_text(ENGINE + then)
        (BIN / name).chmod(0o755)


def dockerize(*words):
    done = subprocess.run([VOUCH, "workspace", "dockerize", *words], cwd=SITE, capture_output=True, text=True, timeout=60,
                          env=dict(os.environ, PATH=str(BIN)))
    return done.returncode, done.stdout, done.stderr


def calls():
    path = RECORD / "calls"
    return path.read_text().splitlines() if path.exists() else []


def nothing_is_left():
    return not [p.name for p in SITE.iterdir() if p.name.startswith(".image-")]


def a_workspace_is_put_into_an_image_without_its_keys():
    subprocess.run([VOUCH, "workspace", "create", "--prefix", SITE, "--template", "vouch/numpy"], check=True,
                   capture_output=True)
    for words in (["workspace", "certify"], ["aggregator", "generate-cert-request", "--fqdn", "localhost"]):
        subprocess.run([VOUCH, *words], cwd=SITE, check=True, capture_output=True)
    (SITE / "save/init.pbuf").write_text("a model")
    (SITE / "src/forgotten.key").write_text("a key")
    (SITE / "fed.tar").write_text("of before")
    engines("docker")
    status, said, log = dockerize()
    assert status == 0, (status, said, log)
    frozen, *said = said.splitlines()
    assert said == ["fed: image of 10 files on vouch", "fed.tar: the image saved"], said
    assert "STEP 1" in log and "and a complaint" in log, log
    assert calls() == ["docker build --build-arg BASE_IMAGE=vouch -t fed .", "docker save -o image.tar fed"], calls()
    assert (SITE / "fed.tar").read_text() == "an image" and nothing_is_left()
    context = RECORD / "context"
    assert (context / "Dockerfile").read_text().startswith("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY --chown=")
    files = sorted(str(p.relative_to(context / "workspace")) for p in (context / "workspace").rglob("*") if p.is_file())
    assert files == [".workspace", "plan/cols.yaml", "plan/data.yaml", "plan/plan.yaml", frozen,
                     "requirements.txt", "src/digits_numpy.py", "src/vouch_runner/__init__.py",
                     "src/vouch_runner/openfl.py", "src/vouch_runner/pytorch.py"], files


def the_options_of_fx_and_ours_reach_the_engine():
    (SITE / "fed.tar").unlink()
    engines("docker")
    status, said, log = dockerize("-b", "registry.example.org/vouch:1", "-t", "other", "--rebuild", "--no-save")
    assert status == 0 and said.endswith(".yaml\nother: image of 10 files on registry.example.org/vouch:1\n"), (said, log)
    assert calls() == ["docker build --build-arg BASE_IMAGE=registry.example.org/vouch:1 -t other --no-cache ."], calls()
    assert not (SITE / "fed.tar").exists()
    status, _, log = dockerize("--base-image", "newer", "--save")
    assert status == 0 and "BASE_IMAGE=newer " in calls()[1] and (SITE / "fed.tar").exists(), (status, log)


def the_first_engine_in_the_path_is_taken_or_the_one_that_is_named():
    engines("buildah", "podman")
    assert dockerize("--no-save")[0] == 0 and calls()[0].startswith("podman build "), calls()
    assert dockerize("--engine", "buildah")[0] == 0, calls()
    assert [c.split()[0] for c in calls()] == ["podman", "buildah", "buildah"], calls()
    assert calls()[2] == "buildah push fed docker-archive:image.tar:fed", calls()
    (BIN / "podman").write_text("#!/bin/sh\nexit 1\n")  # it is there, and does not run
    assert dockerize("--no-save")[0] == 0 and calls()[3].startswith("buildah build "), calls()


def without_an_engine_it_says_which_are_looked_for():
    engines()
    status, _, log = dockerize()
    assert status == 3 and "docker|podman|buildah" in log, (status, log)
    engines("docker")
    status, _, log = dockerize("--engine", "podman")
    assert status == 3 and "no 'podman' in PATH" in log and calls() == [], (status, log)
    status, _, log = dockerize("--engine", "crane")
    assert status == 2 and "docker|podman|buildah" in log, (status, log)


def what_contradicts_itself_or_asks_for_an_enclave_is_refused():
    engines("docker")
    status, _, log = dockerize("--save", "--no-save")
    assert status == 2 and "contradict" in log and calls() == [], (status, log)
    status, _, log = dockerize("-e", "key.pem")
    assert status == 2 and "docs/real-hardware.md" in log and calls() == [], (status, log)


def an_engine_that_fails_leaves_what_was_there():
    archive = SITE / "fed.tar"
    archive.write_text("of before")
    for then, why in ((BUILT + SAVED + "exit 7\n", "docker build: it ended with status 7; --engine names another"),
                      (BUILT + SAVED + "[ $1 = build ]\n", "docker save: it ended with status 1"),
                      (BUILT, "image.tar'")):
        engines("docker", then=then)
        status, _, log = dockerize()
        assert status == 3 and why in log and archive.read_text() == "of before" and nothing_is_left(), (status, log)
    (SITE / "plan/plan.yaml").rename(SITE / "plan.yaml")
    engines("docker")
    status, _, log = dockerize()
    assert status == 3 and "no plan/plan.yaml" in log and calls() == [], (status, log)
    (SITE / "plan.yaml").rename(SITE / "plan/plan.yaml")


def ctrl_c_stops_the_engine_and_leaves_nothing():
    engines("docker", then=f"trap 'echo stopped >\"{RECORD}/calls\"; exit 1' TERM\necho '{{\"event\": \"building\"}}'\n"
                           "while :; do sleep 0.05; done\nfi\n")
    with Process([VOUCH, "workspace", "dockerize"], SITE, STAGE / "log", environment={"PATH": str(BIN)}) as building:
        building.event("building")
        assert not nothing_is_left()
        building.child.send_signal(2)
        assert building.wait(10) == 1 and "interrupted" in building.tail(), building.tail()
    assert calls() == ["stopped"] and (SITE / "fed.tar").read_text() == "of before" and nothing_is_left(), calls()


try:
    tap.run(a_workspace_is_put_into_an_image_without_its_keys,
            the_options_of_fx_and_ours_reach_the_engine,
            the_first_engine_in_the_path_is_taken_or_the_one_that_is_named,
            without_an_engine_it_says_which_are_looked_for,
            what_contradicts_itself_or_asks_for_an_enclave_is_refused,
            an_engine_that_fails_leaves_what_was_there,
            ctrl_c_stops_the_engine_and_leaves_nothing)
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
