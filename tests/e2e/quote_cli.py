#!/usr/bin/env python3
"""`vouch quote show` and `vouch quote verify` as CLI.md promises: exit statuses, JSON, default policy.

usage: quote_cli.py VOUCH CORPUS        Speaks TAP.
"""
import base64
import json
import os
import struct
import subprocess
import sys
import tempfile

from corpus import NAMES

VOUCH, CORPUS = sys.argv[1], os.path.abspath(sys.argv[2])
with open(os.path.join(CORPUS, "manifest.json"), encoding="utf-8") as manifest:
    CASES = {case["id"]: case for case in json.load(manifest)["cases"]}
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def run(*words):
    return subprocess.run([VOUCH, "quote", *words], capture_output=True, text=True, timeout=60, check=False)


class Case:
    """A case of the corpus laid out as a collateral directory."""

    def __init__(self, scratch, name):
        case = CASES[name]
        self.quote = os.path.join(CORPUS, case["files"]["quote"])
        self.root = os.path.join(CORPUS, case["files"]["root_ca"])
        self.time = str(case["time"])
        self.directory = tempfile.mkdtemp(dir=scratch)
        for key, file in NAMES.items():
            if key in case["files"]:
                os.symlink(os.path.join(CORPUS, case["files"][key]), os.path.join(self.directory, file))

    def verify(self, *words, quote=None):
        return run("verify", quote or self.quote, "--collateral-dir", self.directory, "--root", self.root,
                   "--at", self.time, "--json", *words)


def codes(process):
    return {reason["code"] for reason in json.loads(process.stdout)["reasons"]}


def expect(process, status, result):
    assert process.returncode == status, (process.returncode, process.stdout, process.stderr)
    assert json.loads(process.stdout)["result"] == result, process.stdout


@test
def an_up_to_date_platform_passes_the_default_policy(scratch):
    process = Case(scratch, "syn-v5-sgx").verify()
    expect(process, 0, "ok")
    said = json.loads(process.stdout)
    assert said["simulated"] and not said["debug"] and said["tee"] == "sgx" and said["reasons"] == []
    assert len(said["claims"]["mrenclave"]) == 64 and said["verified_at"].endswith("Z")


@test
def the_default_policy_refuses_debug_and_statuses_that_are_not_up_to_date(scratch):
    for name in ("syn-debug-app", "syn-debug-td", "syn-v5-td15-relaunch", "pub-sgxv3-00606a000000-08",
                 "pub-sgxv3-00606a000000-05", "syn-merge-sgx-Revoked-qeRevoked", "syn-td-attr-reserved"):
        case = Case(scratch, name)
        expect(case.verify("--raw-verdict"), 0, "ok")
        process = case.verify()
        expect(process, 1, "reject")
        steps = {reason["step"] for reason in json.loads(process.stdout)["reasons"]}
        assert steps == {"policy"}, (name, process.stdout)


@test
def a_td_is_judged_as_it_was_launched_and_as_it_is_now(scratch):
    case = Case(scratch, "syn-v5-td15-current-worse")
    expect(case.verify("--raw-verdict"), 0, "ok")
    process = case.verify()
    expect(process, 1, "reject")
    assert codes(process) == {"current_tcb_status", "advisory"}, process.stdout
    case = Case(scratch, "syn-v5-td15-relaunch")
    mrtd = json.loads(run("show", case.quote, "--json").stdout)["claims"]["mrtd"]
    root = json.loads(case.verify().stdout)["claims"]["root_sha256"]
    policy = os.path.join(scratch, "policy.yaml")
    with open(policy, "w", encoding="utf-8") as file:
        file.write(f"measurements: [{{mrtd: '{mrtd}'}}]\nroots: ['{root}']\n"
                   "tcb: {accept: [TDRelaunchAdvised], advisories: [{id: INTEL-SA-09200, until: 2040-01-01}, "
                   "{id: INTEL-SA-09300, until: 2040-01-01}]}\n")
    expect(case.verify("--policy", policy), 0, "ok")


@test
def a_refused_quote_still_shows_what_was_established(scratch):
    case = Case(scratch, "pub-sgxv3-00606a000000-08")
    os.remove(os.path.join(case.directory, "qe_identity.json"))
    process = case.verify()
    expect(process, 1, "reject")
    said = json.loads(process.stdout)
    assert codes(process) == {"collateral_missing", "qe_identity_malformed"}, process.stdout
    assert said["tcb_status"] is None and said["claims"]["fmspc"] == "00606a000000"


@test
def intels_root_is_the_default_and_is_not_simulated(scratch):
    case = Case(scratch, "pub-sgxv3-00606a000000-08")
    process = run("verify", case.quote, "--collateral-dir", case.directory, "--at", case.time,
                  "--raw-verdict", "--json")
    expect(process, 0, "ok")
    assert not json.loads(process.stdout)["simulated"]
    other = Case(scratch, "syn-v5-sgx")
    process = run("verify", other.quote, "--collateral-dir", other.directory, "--at", other.time,
                  "--raw-verdict", "--json")
    expect(process, 1, "reject")
    assert "root_not_trusted" in codes(process), process.stdout


@test
def a_quote_may_be_base64_with_line_ends(scratch):
    case = Case(scratch, "syn-v5-sgx")
    with open(case.quote, "rb") as file:
        raw = file.read()
    for text in (base64.encodebytes(raw), base64.b64encode(raw), base64.urlsafe_b64encode(raw).rstrip(b"=")):
        path = os.path.join(scratch, "quote.b64")
        with open(path, "wb") as file:
            file.write(text)
        expect(case.verify(quote=path), 0, "ok")


@test
def the_time_may_be_written_either_way(scratch):
    case = Case(scratch, "syn-v5-sgx")
    case.time = CASES["syn-v5-sgx"]["time_utc"]
    expect(case.verify(), 0, "ok")


@test
def what_cannot_be_read_is_exit_status_3_and_step_input(scratch):
    case = Case(scratch, "syn-v5-sgx")
    absent = os.path.join(scratch, "absent")
    for process in (case.verify(quote=absent), case.verify(quote=scratch),
                    run("verify", case.quote, "--collateral-dir", absent, "--json")):
        expect(process, 3, "reject")
        said = json.loads(process.stdout)
        assert [reason["step"] for reason in said["reasons"]] == ["input"], process.stdout


@test
def what_is_no_quote_is_refused_not_unknown(scratch):
    case = Case(scratch, "syn-v5-sgx")
    path = os.path.join(scratch, "junk")
    for content in (b"", b"junk", b"\x03\x00" + bytes(2000), bytes(300000)):
        with open(path, "wb") as file:
            file.write(content)
        expect(case.verify(quote=path), 1, "reject")
        assert run("show", path).returncode in (1, 2, 3)


@test
def wrong_words_are_exit_status_2(scratch):
    case = Case(scratch, "syn-v5-sgx")
    policy = os.path.join(scratch, "policy.yaml")
    with open(policy, "w", encoding="utf-8") as file:
        file.write("version: 1\nanything: goes\n")
    for words in ((), (case.quote,), (case.quote, "--collateral-dir"),
                  (case.quote, "--collateral-dir", case.directory, "--at", "yesterday"),
                  (case.quote, "--collateral-dir", case.directory, "--root", case.quote),
                  (case.quote, "--collateral-dir", case.directory, "--policy", policy),
                  (case.quote, "--collateral-dir", case.directory, "--policy", policy, "--raw-verdict"),
                  (case.quote, "--collateral-dir", case.directory, "--accept-all")):
        process = run("verify", *words)
        assert process.returncode == 2 and process.stderr and not process.stdout, (words, process)


def with_leaf_only(path, out):
    """A quote of version 3 with certification data of type 4 in place of its chain; writes the chain beside it."""
    with open(path, "rb") as file:
        quote = file.read()
    at = 436 + 576
    at += 2 + struct.unpack_from("<H", quote, at)[0]
    chain = quote[at + 6:at + 6 + struct.unpack_from("<I", quote, at + 2)[0]]
    leaf = chain[:chain.index(b"-----END CERTIFICATE-----") + 26]
    section = quote[436:at] + struct.pack("<HI", 4, len(leaf)) + leaf
    with open(out, "wb") as file:
        file.write(quote[:432] + struct.pack("<I", len(section)) + section)
    return chain.rstrip(b"\0")


@test
def a_quote_that_carries_no_chain_needs_it_in_the_directory(scratch):
    case = Case(scratch, "pub-sgxv3-00606a000000-08")
    quote = os.path.join(scratch, "leaf-only")
    chain = with_leaf_only(case.quote, quote)
    process = case.verify("--raw-verdict", quote=quote)
    expect(process, 1, "reject")
    assert codes(process) == {"pck_chain_missing"}, process.stdout
    supplied = os.path.join(case.directory, "pck_chain.pem")
    with open(supplied, "wb") as file:
        file.write(chain)
    expect(case.verify("--raw-verdict", quote=quote), 0, "ok")
    another = CASES["pub-sgxv3-00606a000000-01"]["files"]["quote"]
    with open(supplied, "wb") as file:
        file.write(with_leaf_only(os.path.join(CORPUS, another), os.devnull))
    process = case.verify("--raw-verdict", quote=quote)
    expect(process, 1, "reject")
    assert codes(process) == {"pck_certificate_mismatch"}, process.stdout


@test
def a_policy_file_decides(scratch):
    case = Case(scratch, "pub-sgxv3-00606a000000-08")
    mrenclave = json.loads(run("show", case.quote, "--json").stdout)["claims"]["mrenclave"]
    policy = os.path.join(scratch, "policy.yaml")
    for statuses, status in (("[UpToDate, SWHardeningNeeded]", 0), ("[UpToDate]", 1)):
        with open(policy, "w", encoding="utf-8") as file:
            file.write(f"version: 1\nmeasurements: [{{mrenclave: '{mrenclave}'}}]\ntcb: {{accept: {statuses}, "
                       "advisories: [{id: INTEL-SA-00615, until: 2030-01-01}]}\n")
        process = case.verify("--policy", policy)
        assert process.returncode == status, process


@test
def show_proves_nothing_and_says_so(scratch):
    case = Case(scratch, "syn-v5-td15ex")
    said = json.loads(run("show", case.quote, "--json").stdout)
    assert said["verified"] is False and said["claims"]["body_type"] == 4, said
    assert "nothing of it is verified" in run("show", case.quote).stdout


def main():
    print(f"1..{len(TESTS)}")
    failed = 0
    for number, function in enumerate(TESTS, 1):
        name = function.__name__.replace("_", " ")
        with tempfile.TemporaryDirectory() as scratch:
            try:
                function(scratch)
                print(f"ok {number} - {name}")
            except (AssertionError, KeyError, ValueError) as fault:
                failed += 1
                print(f"not ok {number} - {name}")
                print("# " + str(fault)[:2000].replace("\n", "\n# "))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
