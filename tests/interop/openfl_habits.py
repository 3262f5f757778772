"""The commands of a workspace, by turns with the real fx and with ours: each goes on with what the other wrote."""
import shutil
import stat
import subprocess

import openfl_peer as peer
from openfl_peer import Site


class Desk:
    """A copy of a workspace, with both programs at hand."""

    def __init__(self, site, directory, fx, programs):
        shutil.copytree(site.directory, directory, ignore=shutil.ignore_patterns("plan_*.yaml", "spool", "logs"))
        self.directory = directory
        self._real, self._ours = Site(directory, fx.parent), Site(directory, programs)

    def __truediv__(self, name):
        return self.directory / name

    def fx(self, *words):
        return self._real.run("fx", *words)

    def vouch(self, *words):
        return self._ours.run("vouch", *words)


def freeze_alike(one, other, release):
    """`one` and `other` are copies of one initialized workspace."""
    one.fx("plan", "freeze")
    other.vouch("plan", "freeze", "--openfl-release", release)
    found = [[(p.name, p.read_bytes(), stat.S_IMODE(p.stat().st_mode)) for p in desk.directory.glob("plan/plan_*.yaml")]
             for desk in (one, other)]
    assert len(found[0]) == 1 and found[0][0][2] == 0o400, found
    assert found[0] == found[1], found


def ours_in_use(desk):
    return _name_in(desk.vouch("plan", "show"))


def theirs_in_use(desk, release):
    return _name_in(desk.fx("plan", "print" if peer.number(release) < (1, 8) else "show"))


def _name_in(text):
    return text.rsplit("The current plan is: ", 1)[1].split()[0]


def keep_plans_by_turns(desk, release):
    plan = desk / "plan/plan.yaml"
    first = plan.read_text()
    second, third = (first.replace("rounds_to_train: 3", f"rounds_to_train: {n}") for n in (5, 7))
    assert len({first, second, third}) == 3
    desk.vouch("plan", "save", "-n", "default")
    plan.write_text(second)
    desk.fx("plan", "save", "-n", "second")
    assert ours_in_use(desk) == "second"
    plan.write_text(third)
    desk.vouch("plan", "save", "-n", "third")
    assert theirs_in_use(desk, release) == "third"
    desk.fx("plan", "switch", "-n", "default")
    assert (plan.read_text(), ours_in_use(desk)) == (first, "default")
    desk.vouch("plan", "switch", "-n", "second")
    assert (plan.read_text(), theirs_in_use(desk, release)) == (second, "second")
    desk.fx("plan", "remove", "-n", "second")
    assert (plan.read_text(), ours_in_use(desk)) == (first, "default")
    desk.vouch("plan", "remove", "-n", "third")
    assert [p.name for p in (desk / "plan/plans").iterdir()] == ["default"]


def certify_by_turns(desk):
    """What one asks for, the other signs; with the authority of either."""
    for ask, sign, who in ((desk.fx, desk.vouch, "one"), (desk.vouch, desk.fx, "two")):
        ask("aggregator", "generate-cert-request", "--fqdn", f"{who}.example.org")
        sign("aggregator", "certify", "-n", f"{who}.example.org", "-s")
        ask("collaborator", "generate-cert-request", "-n", who, "-s", "-x")
        sign("collaborator", "certify", "-n", who, "-s")
        assert (desk / f"agg_to_col_{who}_signed_cert.zip").exists()
        subprocess.run(["openssl", "verify", "-CAfile", desk / "cert/cert_chain.crt", desk / f"cert/client/col_{who}.crt",
                        desk / f"cert/server/agg_{who}.example.org.crt"], check=True, capture_output=True)
    assert (desk / "plan/cols.yaml").read_text() == "collaborators:\n- col1\n- col2\n- one\n- two\n"


def note_data_by_turns(desk, release):
    """Until 1.5 the path goes with the request."""
    if peer.number(release) < (1, 6):
        desk.fx("collaborator", "generate-cert-request", "-n", "Three", "-d", "data/three", "-s", "-x")
        desk.vouch("collaborator", "generate-cert-request", "-n", "Four", "-d", "data/four", "-s", "-x")
    else:
        desk.fx("collaborator", "create", "-n", "Three", "-d", "data/three", "-s")
        desk.vouch("collaborator", "create", "-n", "Four", "-d", "data/four", "-s")
    assert (desk / "plan/data.yaml").read_text() == peer.data_lines() + "three,data/three\nfour,data/four\n"


def save_models_alike(desk, python, model, release):
    """Theirs through the task runner's own form, which here is numpy's, too."""
    desk.fx("model", "save", "-i", model, "-o", "theirs.npz")
    desk.vouch("model", "save", "-i", model, "-o", "ours.npz", "--openfl-release", release)
    compare_saved(desk, python, "ours.npz")


def save_models_by_their_runner(desk, python, model, release):
    """Ours through the very class that theirs goes through; after save_models_alike."""
    said = desk.vouch("model", "save", "-i", model, "-o", "native.npz", "--openfl-release", release)
    assert "native.npz: saved by the task runner" in said, said
    compare_saved(desk, python, "native.npz")


def compare_saved(desk, python, ours):
    code = (f"import numpy\nours, theirs = numpy.load('{ours}'), numpy.load('theirs.npz')\n"
            "assert sorted(ours) == sorted(theirs) == ['layer0.bias', 'layer0.weight'], (list(ours), list(theirs))\n"
            "assert abs(theirs['layer0.weight']).max() > 0\n"
            "for name in theirs:\n    assert ours[name].tobytes() == theirs[name].tobytes(), name\n")
    done = subprocess.run([python, "-c", code], cwd=desk.directory, text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
