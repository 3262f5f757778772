#!/usr/bin/env python3
"""Intel's own clients, unmodified, against vouch-verifyd.

usage: ita_test.py DIRECTORY-OF-PROGRAMS BUILD python|go

Go: the connector of tests/interop/ita/go.mod, from its module path. Python: the client is not on
the package index; ITA_PY_SRC names a checkout of intel/trustauthority-client-for-python.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import tap  # noqa: E402
from verifyd_service import MRENCLAVE, Stage  # noqa: E402
from ports import free_port  # noqa: E402

STAGE = Stage(sys.argv[1])
BUILD = pathlib.Path(sys.argv[2]).resolve() / "interop"
KIND = sys.argv[3]
CLIENT = {}
HELD = "claims of a participant"


def python_client():
    source = os.environ.get("ITA_PY_SRC")
    if not source:
        raise tap.Skip("NOT RUN: Intel's Python client is on no package index; "
                       "set ITA_PY_SRC to a checkout of intel/trustauthority-client-for-python")
    venv = BUILD / "ita-python"
    if not (venv / "ready").exists():
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check",
                        "validators==0.22.0", "requests>=2.32,<3", "cryptography>=46.0.7,<49",
                        "pyjwt>=2.12,<3", "tenacity>=8.2.3,<9"], check=True)
        (venv / "ready").touch()
    return [venv / "bin/python", HERE / "ita/client.py"], {"PYTHONPATH": source}


def go_client():
    if shutil.which("go") is None:
        raise tap.Skip("NOT RUN: there is no Go toolchain")
    BUILD.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["go", "build", "-o", BUILD / "ita-go", "."], cwd=HERE / "ita",
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [BUILD / "ita-go"], {}


def the_client_is_there_and_as_intel_published_it():
    CLIENT["argv"], CLIENT["env"] = {"python": python_client, "go": go_client}[KIND]()


def ask(service=None, platform=None, **wishes):
    """What the client made of it, and what it said on the way."""
    if "argv" not in CLIENT:
        raise tap.Skip("NOT RUN: no client")
    service, platform = service or SGX_SERVICE, platform or SGX
    tdx = platform in STAGE.tdx
    command = [STAGE.programs / "vouch-sim", "quote", "--platform", platform]
    if not tdx:
        command += ["--mrenclave", MRENCLAVE]
    wishes = {"url": service.made["base_url"], "key": service.key, "held": HELD,
              "ca": service.made["tls_ca"], "tee": "tdx" if tdx else "sgx",
              "quote_command": [str(w) for w in command], **wishes}
    done = subprocess.run([str(w) for w in CLIENT["argv"]], input=json.dumps(wishes), text=True,
                          capture_output=True, timeout=60,
                          env=dict(os.environ, REQUESTS_CA_BUNDLE=service.made["tls_ca"], **CLIENT["env"]))
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    result["said"] = done.stderr + (result.get("error") or "")
    return result


def accepted(result):
    assert result["claims"], result["said"]
    return result["claims"]


def refused(result, *words):
    assert not result["token"] and not result["claims"], result
    for word in words:
        assert word in result["said"], result["said"]


def an_sgx_token_is_obtained_and_verified():
    claims = accepted(ask())
    assert claims["sgx_mrenclave"] == MRENCLAVE and claims["attester_tcb_status"] == "UpToDate"
    assert claims["policy_defined_claims"]["simulated"] is True


def a_tdx_token_is_obtained_and_verified():
    claims = accepted(ask(TDX_SERVICE, TDX))
    assert claims["attester_type"] == "TDX" and claims["ver"] == "1.0.0"


def a_composite_tdx_token_is_obtained_and_verified():
    claims = accepted(ask(TDX_SERVICE, TDX, v2=True))
    assert claims["tdx"]["attester_type"] == "TDX" and claims["ver"] == "2.0.0"


def rs256_is_obtained_and_verified():
    result = ask(alg="RS256")
    accepted(result)
    assert result["token"].startswith("eyJhbGciOiJSUzI1NiI"), result["token"][:40]


def policies_are_evaluated_by_their_ids():
    match, other = (p["id"] for p in SGX_SERVICE.made["policies"])
    claims = accepted(ask(policy_ids=[match], must_match=True))
    assert [p["id"] for p in claims["policy_ids_matched"]] == [match]
    claims = accepted(ask(policy_ids=[other]))
    assert [p["id"] for p in claims["policy_ids_unmatched"]] == [other]


def an_unmatched_policy_that_must_match_is_refused():
    _, other = (p["id"] for p in SGX_SERVICE.made["policies"])
    refused(ask(policy_ids=[other], must_match=True), "does not match")


def a_wrong_api_key_is_refused():
    refused(ask(key="QUJD" * 10), "401")


def a_corrupted_quote_is_refused():
    refused(ask(corrupt=True), "Failed to verify quote")


def wrong_runtime_data_is_refused():
    refused(ask(other_data=True), "not bound")


def a_nonce_of_another_service_is_refused():
    refused(ask(TDX_SERVICE, TDX, v2=True, nonce=SGX_SERVICE.nonce(2)), "not made by this service")


def a_replayed_nonce_is_refused():
    nonce = TDX_SERVICE.nonce(2)
    accepted(ask(TDX_SERVICE, TDX, v2=True, nonce=nonce))
    refused(ask(TDX_SERVICE, TDX, v2=True, nonce=nonce), "used before")


def an_expired_nonce_is_refused():
    refused(ask(SHORT, sleep=2.2, sleep_ms=2200), "expired")


def crls_over_plain_http_serve_as_well():
    accepted(ask(SHORT))


try:
    SGX = STAGE.platform("sgx")
    TDX = STAGE.platform("tdx", "--tee", "tdx")
    SGX_SERVICE = STAGE.service("main", SGX, "--policy", STAGE.policy("match", SGX), "--policy",
                                STAGE.policy("other", SGX, "11" * 32))
    TDX_SERVICE = STAGE.service("tdx-service", TDX)
    SHORT = STAGE.service("short", SGX, "--nonce-lifetime", "2", "--crl-listen",
                          f"127.0.0.1:{free_port()}")
    tap.run(
        the_client_is_there_and_as_intel_published_it,
        an_sgx_token_is_obtained_and_verified,
        a_tdx_token_is_obtained_and_verified,
        a_composite_tdx_token_is_obtained_and_verified,
        rs256_is_obtained_and_verified,
        policies_are_evaluated_by_their_ids,
        an_unmatched_policy_that_must_match_is_refused,
        a_wrong_api_key_is_refused,
        a_corrupted_quote_is_refused,
        wrong_runtime_data_is_refused,
        a_nonce_of_another_service_is_refused,
        a_replayed_nonce_is_refused,
        an_expired_nonce_is_refused,
        crls_over_plain_http_serve_as_well,
    )
finally:
    STAGE.close()
