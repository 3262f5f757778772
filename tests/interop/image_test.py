#!/usr/bin/env python3
"""The plain image builds from Debian's packages, with buildah and on a base that debootstrap makes, and runs.

usage: image_test.py CHECKOUT DIRECTORY-OF-PROGRAMS        (VOUCH_IMAGE_MIRROR: another Debian mirror)
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import tap  # noqa: E402

CHECKOUT, PROGRAMS = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
MIRROR = os.environ.get("VOUCH_IMAGE_MIRROR", "http://deb.debian.org/debian")
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-image-"))
ENV = dict(os.environ, STORAGE_DRIVER="vfs", BUILDAH_ISOLATION="chroot")
BASE = "localhost/vouch-base"
ENV_OF_TEST = {}


def run(*words, **options):
    return subprocess.run([str(w) for w in words], env=ENV, capture_output=True, text=True, check=True, **options).stdout


def buildah(*words, **options):
    return run("buildah", "--root", STAGE / "storage", "--runroot", STAGE / "run", *words, **options).strip()


def make_base():
    for tool in ("buildah", "debootstrap"):
        if shutil.which(tool) is None:
            raise tap.Skip(f"{tool} is not installed")
    if os.geteuid() != 0:
        raise tap.Skip("debootstrap needs root")
    try:
        run("debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", STAGE / "base", MIRROR, timeout=400)
        container = buildah("from", "scratch")
        buildah("copy", "-q", container, STAGE / "base", "/")
        buildah("commit", "-q", container, BASE)
    except (subprocess.SubprocessError, OSError) as why:  # no mirror, no mounts: the machine, not the image
        raise tap.Skip(f"no base image can be made here: {getattr(why, 'stderr', '') or why}".replace("\n", " ")[:300]) from why


def the_plain_image_builds_and_its_programs_run():
    make_base()
    built = subprocess.run(
        ["buildah", "--root", STAGE / "storage", "--runroot", STAGE / "run", "build", "--build-arg", f"BASE={BASE}",
         "--target", "plain", "-t", "localhost/vouch", "-f", CHECKOUT / "deploy/docker/Dockerfile", CHECKOUT],
        env=ENV, capture_output=True, text=True, timeout=900, check=False)
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    container = ENV_OF_TEST["container"] = buildah("from", "localhost/vouch")
    assert buildah("run", container, "vouch", "--version").startswith("vouch ")
    assert "can_attest" in subprocess.run(
        ["buildah", "--root", STAGE / "storage", "--runroot", STAGE / "run", "run", container, "vouch", "doctor", "--json"],
        env=ENV, capture_output=True, text=True, check=False).stdout
    assert buildah("run", container, "id", "-u") == "10001"


def it_runs_under_the_default_seccomp_profile():
    if "container" not in ENV_OF_TEST:
        raise tap.Skip("there is no image (see above)")
    mode = buildah("run", ENV_OF_TEST["container"], "sed", "-n", "s/^Seccomp:[[:space:]]*//p", "/proc/self/status")
    if mode != "2":
        raise tap.Skip(f"buildah puts no seccomp filter on containers here (Seccomp: {mode})")
    # the demo is the whole product: verifier, participants under Gramine's limits, TLS, training
    out = buildah("run", ENV_OF_TEST["container"], "vouch", "demo", "--rounds", "2", timeout=400)
    assert "The federation finished; every intruder was refused" in out, out[-2000:]


def a_workspace_goes_into_an_image_of_its_own_and_is_the_same_there():
    if "container" not in ENV_OF_TEST:
        raise tap.Skip("there is no image (see above)")
    site, settings = STAGE / "fed", STAGE / "storage.conf"
    driver = buildah("info", "--format", "{{.store.GraphDriverName}}")
    settings.write_text(f'[storage]\ndriver = "{driver}"\ngraphroot = "{STAGE / "storage"}"\nrunroot = "{STAGE / "run"}"\n')
    run(PROGRAMS / "vouch", "workspace", "create", "--prefix", site, timeout=60)
    for words in (["workspace", "certify"], ["plan", "initialize", "-a", "localhost"]):
        run(PROGRAMS / "vouch", *words, cwd=site, timeout=60)
    done = subprocess.run([PROGRAMS / "vouch", "workspace", "dockerize", "--engine", "buildah", "-b", "localhost/vouch"],
                          cwd=site, env=dict(ENV, CONTAINERS_STORAGE_CONF=str(settings), STORAGE_DRIVER=driver),
                          capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    wanted = run(PROGRAMS / "vouch", "plan", "hash", cwd=site, timeout=60).splitlines()[0]
    container = buildah("from", "localhost/fed")
    assert buildah("run", container, "vouch", "plan", "hash").splitlines()[0] == wanted
    listed = buildah("run", container, "find", "/workspace", "-type", "f", "-printf", "%P %u\\n").splitlines()
    assert "plan/plan.yaml vouch" in listed, listed
    assert not [f for f in listed if f.startswith(("cert/", "save/"))], listed
    assert buildah("pull", "-q", f"docker-archive:{site / 'fed.tar'}"), "the saved image is not read"


try:
    tap.run(the_plain_image_builds_and_its_programs_run, it_runs_under_the_default_seccomp_profile,
            a_workspace_goes_into_an_image_of_its_own_and_is_the_same_there)
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
