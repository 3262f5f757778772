#!/usr/bin/env python3
"""`vouch measure` at the prompt: real files, a quote of another boot, and what is no such file.

usage: measure_test.py VOUCH VECTORS
"""
import base64
import json
import pathlib
import subprocess
import sys
import tempfile

import tap

VOUCH, VECTORS = sys.argv[1], pathlib.Path(sys.argv[2])
HOME = tempfile.TemporaryDirectory()
LOG = VECTORS / "measure/cos_113.ccel"
SIGNED = VECTORS / "measure/fortanix_sig1.sig"
RTMR_AT = 48 + 328  # in a version 4 quote


def measure(*words):
    done = subprocess.run([VOUCH, "measure", *map(str, words)], capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout, done.stderr


def written(name, data):
    path = pathlib.Path(HOME.name) / name
    path.write_bytes(data)
    return path


def a_tdx_quote():
    """A genuine one of the corpus; what it says, nothing proven."""
    return bytearray((VECTORS / "quotes/quote/a2c43c6937dcdb91.bin").read_bytes())


def a_signed_enclave_gives_its_reference_values():
    status, out, _ = measure("--sgx", SIGNED, "--json")
    answer = json.loads(out)
    assert status == 0 and answer["signature_valid"] is True, out
    assert answer["mrenclave"] == "c50673624a6cb17c1c6c2a4e6906f47a170c4629b8723781d1017ef376f1a75d"
    assert "MRSIGNER     83d719e77dea" in measure("--sgx", SIGNED)[1]


def one_byte_changed_after_signing_is_said_and_is_the_answer_no():
    altered = bytearray(SIGNED.read_bytes())
    altered[960] ^= 1
    path = written("altered.sig", altered)
    status, out, _ = measure("--sgx", path, "--json")
    assert status == 1 and json.loads(out)["signature_valid"] is False
    status, out, _ = measure("--sgx", path)
    assert status == 1 and "WRONG" in out


def a_log_replays_to_the_rtmrs_of_its_machine():
    status, out, _ = measure("--tdx", LOG, "--json")
    answer = json.loads(out)
    assert status == 0 and answer["rtmr1"].startswith("f62dbc072bd5d3f3"), out
    assert len(answer["events"]) == 43 and answer["events"][0]["name"] == "EV_EFI_HANDOFF_TABLES2"


def the_quote_of_that_boot_matches():
    rtmrs = json.loads(measure("--tdx", LOG, "--json")[1])
    quote = a_tdx_quote()
    for i in range(4):
        quote[RTMR_AT + 48 * i:RTMR_AT + 48 * (i + 1)] = bytes.fromhex(rtmrs[f"rtmr{i}"])
    for data in (bytes(quote), base64.b64encode(quote)):
        path = written("same.quote", data)
        status, out, _ = measure("--tdx", LOG, "--quote", path, "--json")
        assert status == 0 and json.loads(out)["matches_quote"] is True, out
        assert "the same RTMRs" in measure("--tdx", LOG, "--quote", path)[1]


def a_quote_of_another_boot_does_not():
    path = written("other.quote", a_tdx_quote())
    status, out, _ = measure("--tdx", LOG, "--quote", path, "--json")
    assert status == 1 and json.loads(out)["matches_quote"] is False
    status, out, _ = measure("--tdx", LOG, "--quote", path)
    assert status == 1 and "quote says" in out and "OTHER RTMRS" in out


def what_is_no_such_file_is_refused_and_what_cannot_be_read_is_not_known():
    junk = written("junk", b"junk")
    sgx = VECTORS / "quotes/quote/268c06813379d1af.bin"
    assert measure("--sgx", junk)[0] == 1
    assert measure("--tdx", junk)[0] == 1
    assert measure("--sgx", written("long", SIGNED.read_bytes() + b"x"))[0] == 1
    assert measure("--tdx", LOG, "--quote", sgx)[0] == 1
    assert measure("--sgx", "/no/such/file")[0] == 3
    assert measure("--tdx", "/no/such/file")[0] == 3


def one_of_the_two_is_asked_for():
    assert measure()[0] == 2
    assert measure("--sgx", SIGNED, "--tdx", LOG)[0] == 2
    assert measure("--sgx", SIGNED, "--quote", "x")[0] == 2


tap.run(a_signed_enclave_gives_its_reference_values, one_byte_changed_after_signing_is_said_and_is_the_answer_no,
        a_log_replays_to_the_rtmrs_of_its_machine, the_quote_of_that_boot_matches,
        a_quote_of_another_boot_does_not, what_is_no_such_file_is_refused_and_what_cannot_be_read_is_not_known,
        one_of_the_two_is_asked_for)
