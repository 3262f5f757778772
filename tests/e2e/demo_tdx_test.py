#!/usr/bin/env python3
"""The demo with TDs, and what it says that their measurements prove: usage demo_tdx_test.py DIRECTORY-OF-PROGRAMS"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import tap

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-demo-tdx-"))
PLAYED = {}


def vouch(*words):
    return subprocess.run([PROGRAMS / "vouch", *map(str, words)], capture_output=True, text=True, timeout=280)


def a_federation_of_tds_trains_and_refuses_every_intruder():
    run = vouch("demo", "--tee", "tdx", "--rounds", "2", "--json", "--keep", STAGE / "kept")
    assert run.returncode == 0, run.stdout + run.stderr
    PLAYED.update(json.loads(run.stdout))
    assert PLAYED["ok"] is True and len(PLAYED["rounds"]) == 2, PLAYED
    assert len(PLAYED["intruders"]) == 7 and not any(i["admitted"] for i in PLAYED["intruders"])
    assert all(p["simulated"] and len(p["measurement"]) == 96 for p in PLAYED["participants"])  # MRTD


def a_passport_of_a_td_says_that_an_image_was_measured():
    policy = STAGE / "kept/hospital1/plan/attestation.yaml"
    run = vouch("passport", "verify", PLAYED["passports"][0], "--policy", policy, "--json")
    verdict = json.loads(run.stdout)
    assert run.returncode == 0 and verdict["tee"] == "tdx" and verdict["measured"] == "machine image", verdict
    run = vouch("passport", "verify", PLAYED["passports"][0], "--policy", policy)
    assert "the machine image, not a program" in run.stdout, run.stdout


def a_policy_of_mrtd_alone_is_warned_of():
    run = vouch("policy", "check", STAGE / "kept/hospital1/plan/attestation.yaml")
    assert run.returncode == 0 and "mrtd alone covers the firmware" in run.stdout + run.stderr, run


try:
    tap.run(a_federation_of_tds_trains_and_refuses_every_intruder, a_passport_of_a_td_says_that_an_image_was_measured,
            a_policy_of_mrtd_alone_is_warned_of)
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
