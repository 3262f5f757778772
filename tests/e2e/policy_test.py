#!/usr/bin/env python3
"""`vouch policy` from the outside, on quotes of simulated platforms.

usage: policy_test.py VOUCH VOUCH_SIM
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import tap

VOUCH, SIM = sys.argv[1:3]
HOME = tempfile.TemporaryDirectory()
DIR = pathlib.Path(HOME.name)
MEASURED = "ab" * 32
OTHER = "cd" * 32


def call(*words, **variables):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=60,
                          env={"PATH": os.environ["PATH"], **variables})
    return done.returncode, done.stdout, done.stderr


def write(name, text):
    path = DIR / name
    path.write_text(text)
    return path


def quote(platform, name, *options):
    status, out, err = call(SIM, "quote", "--platform", DIR / platform, "--report-data", "07" * 64,
                            *options)
    assert status == 0, err
    return write(name, out)


def policy(name, measurement, more=""):
    return write(name, f"measurements: [{{mrenclave: {measurement}}}]\nroots: [{ROOT}]\n{more}")


def explain(file, subject, *options):
    status, out, err = call(VOUCH, "policy", "explain", file, subject, "--json", *options)
    answer = json.loads(out)
    rules = {r["rule"]: r["verdict"] for r in answer["rules"]}
    return status, answer, rules


def a_good_policy_passes_the_check():
    status, out, _ = call(VOUCH, "policy", "check", policy("good.yaml", MEASURED))
    assert status == 0 and out.endswith("good.yaml: ok\n"), out


def every_fault_is_listed_with_its_place():
    bad = write("bad.yaml", "measurments: []\nmeasurements:\n- {mrsigner: any}\n- {}\n"
                            "tcb: {accept: ['*', Revoked]}\n")
    status, out, _ = call(VOUCH, "policy", "check", bad)
    lines = [line[len(str(bad)):] for line in out.splitlines()]
    assert status == 2, status
    for want in (":1:1: unknown key 'measurments'", ":3:14: mrsigner must be", ":4:3: a measurement",
                 ":5:16: not a TCB status", ":5:21: Revoked"):
        assert any(line.startswith(want) for line in lines), (want, out)


def a_weak_rule_is_a_warning_with_its_place():
    weak = policy("weak.yaml", MEASURED, "debug: true\n")
    status, out, _ = call(VOUCH, "policy", "check", weak, "--json")
    answer = json.loads(out)
    assert status == 0 and answer["result"] == "ok" and len(answer["digest"]) == 64
    assert [f["warning"] for f in answer["faults"]] == [True]
    assert f"{weak}:3:8: debug" in answer["faults"][0]["message"]


def a_policy_that_cannot_be_read_is_no_verdict():
    status, out, err = call(VOUCH, "policy", "check", DIR / "absent.yaml")
    assert status == 3 and out == "" and "absent.yaml" in err


def without_collateral_only_the_quotes_words_are_judged():
    good = policy("p.yaml", MEASURED)
    status, answer, rules = explain(good, quote("up", "q", "--mrenclave", MEASURED))
    assert status == 0 and answer["result"] == "unproven" and not answer["proven"]
    assert rules["measurement"] == "holds" and rules["TCB status"] == "not judged"
    assert rules["root"] == "not judged"
    status, answer, rules = explain(policy("o.yaml", OTHER), DIR / "q")
    assert status == 1 and answer["result"] == "reject" and rules["measurement"] == "refuses"


def with_collateral_every_rule_is_judged():
    proof = ("--collateral-dir", DIR / "up/collateral", "--root", DIR / "up/root.pem")
    status, answer, rules = explain(policy("p.yaml", MEASURED), DIR / "q", *proof)
    assert status == 0 and answer["result"] == "ok" and answer["proven"], answer
    assert set(rules.values()) == {"holds"}
    intel = write("intel.yaml", f"measurements: [{{mrenclave: {MEASURED}}}]\n")
    status, answer, rules = explain(intel, DIR / "q", *proof)
    assert status == 1 and rules["root"] == "refuses" and answer["proven"]


def a_person_reads_what_was_wanted_and_what_was_found():
    proof = ("--collateral-dir", DIR / "up/collateral", "--root", DIR / "up/root.pem")
    intel = write("intel.yaml", f"measurements: [{{mrenclave: {MEASURED}}}]\n")
    status, out, _ = call(VOUCH, "policy", "explain", intel, DIR / "q", *proof)
    line = next(line for line in out.splitlines() if "; wanted " in line)
    assert status == 1 and f"; found {ROOT}" in line, out


def an_old_platform_is_refused_for_its_status_and_advisory():
    proof = ("--collateral-dir", DIR / "old/collateral", "--root", DIR / "old/root.pem")
    subject = quote("old", "oldq", "--mrenclave", MEASURED)
    status, _, rules = explain(policy("p.yaml", MEASURED), subject, *proof)
    assert status == 1 and rules["TCB status"] == rules["advisories"] == "refuses", rules
    until = "tcb: {accept: [OutOfDate], advisories: [{id: INTEL-SA-00615, until: 2999-01-01}]}\n"
    status, _, rules = explain(policy("lax.yaml", MEASURED, until), subject, *proof)
    assert status == 0 and set(rules.values()) == {"holds"}, rules


def what_is_not_genuine_is_refused_whatever_the_policy_says():
    wrong = ("--collateral-dir", DIR / "up/collateral")  # Intel's root is trusted, not this one
    status, answer, rules = explain(policy("p.yaml", MEASURED), DIR / "q", *wrong)
    assert status == 1 and answer["result"] == "reject" and not answer["proven"]
    assert answer["reasons"] and rules["TCB status"] == "not judged"


def the_environment_of_ra_tls_becomes_a_policy():
    env = {"RA_TLS_MRENCLAVE": MEASURED, "RA_TLS_MRSIGNER": "any", "RA_TLS_ISV_PROD_ID": "any",
           "RA_TLS_ISV_SVN": "any"}
    status, out, _ = call(VOUCH, "policy", "import", "ENV", **env)
    assert status == 0 and f"mrenclave: {MEASURED}" in out, out
    assert call(VOUCH, "policy", "check", write("imported.yaml", out))[0] == 0
    status, out, err = call(VOUCH, "policy", "import", "ENV", **{**env, "RA_TLS_MRENCLAVE": "any"})
    assert status == 2 and out == "" and "any enclave" in err


def a_marblerun_manifest_becomes_a_policy():
    manifest = write("m.json", json.dumps({"Packages": {"a": {"UniqueID": MEASURED, "Debug": True}}}))
    status, out, err = call(VOUCH, "policy", "import", manifest)
    assert status == 0 and "SWHardeningNeeded" in out and "debug" not in out and "Debug" in err
    status, out, _ = call(VOUCH, "policy", "import", write("any.json", '{"Packages":{"a":{}}}'))
    assert status == 2 and out == ""
    status, out, _ = call(VOUCH, "policy", "import", write("broken.json", "{"))
    assert status == 2 and out == ""


def make(name, *options):
    status, out, err = call(SIM, "platform", "create", DIR / name, "--json", *options)
    assert status == 0, err
    return json.loads(out)


ROOT = make("up")["root_sha256"]
make("old", "--vendor", DIR / "up/vendor", "--tcb-status", "OutOfDate", "--advisory",
     "INTEL-SA-00615")
tap.run(a_good_policy_passes_the_check, every_fault_is_listed_with_its_place,
        a_weak_rule_is_a_warning_with_its_place, a_policy_that_cannot_be_read_is_no_verdict,
        without_collateral_only_the_quotes_words_are_judged, with_collateral_every_rule_is_judged,
        a_person_reads_what_was_wanted_and_what_was_found,
        an_old_platform_is_refused_for_its_status_and_advisory,
        what_is_not_genuine_is_refused_whatever_the_policy_says,
        the_environment_of_ra_tls_becomes_a_policy, a_marblerun_manifest_becomes_a_policy)
