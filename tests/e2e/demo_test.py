#!/usr/bin/env python3
"""`vouch demo`, the product's promise: usage demo_test.py DIRECTORY-OF-PROGRAMS ROUNDS"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import tap

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
ROUNDS = sys.argv[2]
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-demo-test-"))
PLAYED = {}

EXPECTED = {
    "altered-program": "measurement",
    "other-plan": "plan",
    "other-key": "key",
    "other-site": "enrolment",
    "other-role": "role",
    "no-evidence": "no-evidence",
    "expired-token": "token",
}


def vouch(*words, **more):
    return subprocess.run([PROGRAMS / "vouch", *words], capture_output=True, text=True, timeout=280,
                          **more)


def processes_in(directory):
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "cwd").startswith(str(directory)):
                found.append((entry.name, (entry / "cmdline").read_text().split("\0")[:3]))
        except OSError:
            continue
    return found


def the_demo_ends_well():
    run = vouch("demo", "--json", "--rounds", ROUNDS, "--keep", STAGE / "kept")
    assert run.returncode == 0, f"exit {run.returncode}\n{run.stdout}\n{run.stderr}"
    PLAYED.update(json.loads(run.stdout))
    assert PLAYED["ok"] is True


def the_model_learns_to_read_digits():
    rounds = PLAYED["rounds"]
    assert len(rounds) == int(ROUNDS), rounds
    assert [r["round"] for r in rounds] == list(range(int(ROUNDS)))
    assert rounds[-1]["accuracy"] >= 0.93, rounds[-1]
    assert rounds[-1]["accuracy"] > rounds[0]["accuracy"]


def every_intruder_is_refused_with_a_code_of_its_own():
    codes = {i["name"]: i["code"] for i in PLAYED["intruders"]}
    assert not any(i["admitted"] for i in PLAYED["intruders"])
    assert codes == EXPECTED, codes
    assert all(i["message"] for i in PLAYED["intruders"])


def one_collaborator_joined_after_round_one_without_a_restart():
    late = [p for p in PLAYED["participants"] if p["after_rounds"] >= 1]
    assert len(late) == 1 and late[0]["role"] == "collaborator", PLAYED["participants"]
    assert PLAYED["rounds"][-1]["updates"] == 3, "its update is in the last round"


def everybody_is_shown_as_simulated_and_measured():
    assert len(PLAYED["participants"]) == 4
    for p in PLAYED["participants"]:
        assert p["simulated"] is True and p["tcb_status"] == "UpToDate" and p["token"] is True, p
        assert len(p["measurement"]) == 64


def the_passports_verify_offline():
    policy = STAGE / "kept/hospital1/plan/attestation.yaml"
    for passport in PLAYED["passports"]:
        # without a network: in a network namespace of its own where that is possible
        run = vouch("passport", "verify", passport, "--policy", policy, "--json")
        verdict = json.loads(run.stdout)
        assert run.returncode == 0 and verdict["result"] == "ok", run.stdout + run.stderr


def a_passport_with_one_byte_changed_does_not_verify():
    text = json.loads(pathlib.Path(PLAYED["passports"][0]).read_text())
    text["name"] = "somebody"
    forged = STAGE / "forged.json"
    forged.write_text(json.dumps(text))
    run = vouch("passport", "verify", forged, "--policy", STAGE / "kept/hospital1/plan/attestation.yaml")
    assert run.returncode in (1, 2), run.stdout + run.stderr


def openssl(*words):
    return subprocess.run(["openssl", *words], capture_output=True, text=True).stdout


def no_private_attested_key_lies_anywhere():
    attested = {openssl("x509", "-in", c, "-noout", "-pubkey")
                for c in (STAGE / "kept").rglob("reports/*_pubkey.pem")}
    assert len(attested) == 4
    for path in (STAGE / "kept").rglob("*"):
        if path.is_file() and b"PRIVATE KEY" in path.read_bytes():
            assert openssl("pkey", "-in", path, "-pubout") not in attested, path


def nothing_is_left_running():
    assert processes_in(STAGE) == [], processes_in(STAGE)


def an_interrupted_demo_stops_everything_and_removes_its_directory():
    where = STAGE / "tmp"
    where.mkdir()
    run = subprocess.Popen([PROGRAMS / "vouch", "demo"], env=dict(os.environ, TMPDIR=str(where)),
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in run.stdout:
        if line.startswith("started a verification service"):
            break
    time.sleep(0.5)
    run.send_signal(signal.SIGINT)
    run.stdout.read()
    assert run.wait(timeout=60) != 0
    time.sleep(0.3)
    assert list(where.iterdir()) == [], list(where.iterdir())
    assert processes_in(where) == [], processes_in(where)


def a_directory_that_is_not_empty_is_refused():
    run = vouch("demo", "--keep", STAGE)
    assert run.returncode == 2 and "not empty" in run.stderr, run.stderr


try:
    tap.run(
        the_demo_ends_well,
        the_model_learns_to_read_digits,
        every_intruder_is_refused_with_a_code_of_its_own,
        one_collaborator_joined_after_round_one_without_a_restart,
        everybody_is_shown_as_simulated_and_measured,
        the_passports_verify_offline,
        a_passport_with_one_byte_changed_does_not_verify,
        no_private_attested_key_lies_anywhere,
        nothing_is_left_running,
        an_interrupted_demo_stops_everything_and_removes_its_directory,
        a_directory_that_is_not_empty_is_refused,
    )
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
