#!/usr/bin/env python3
"""`vouch cert verify` on certificates as other products make them, over quotes of simulated platforms.

The certificates are made with openssl, not with our own code. usage: cert_test.py VOUCH VOUCH_SIM VECTORS
"""
import base64
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import tap

VOUCH, SIM, VECTORS = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
HOME = tempfile.TemporaryDirectory()
DIR = pathlib.Path(HOME.name)
MEASURED = "ab" * 32
DICE, GRAMINE, GRAMINE_RIGHT, INTEL = ("2.23.133.5.4.9", "0.6.9.42.840.113741.1337.6", "1.2.840.113741.1337.6",
                                       "1.2.840.113741.1.13.1")
OE_REPORT, OE_EVIDENCE, DSTACK = "1.3.6.1.4.1.311.105.1", "1.3.6.1.4.1.311.105.2", "1.3.6.1.4.1.62397.1.1"
HAVE = {}


def openssl(*words, given=None):
    return subprocess.run(["openssl", *map(str, words)], input=given, check=True, capture_output=True).stdout


def call(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


# --- CBOR and quotes ---

def cbor(kind, count):
    if count < 24:
        return bytes([kind << 5 | count])
    return bytes([kind << 5 | 24, count]) if count < 256 else bytes([kind << 5 | 25]) + count.to_bytes(2, "big")


def octets(data):
    return cbor(2, len(data)) + data


def quote(report_data, *more, platform="platform"):
    status, out, err = call(SIM, "quote", "--platform", DIR / platform, "--report-data",
                            report_data.ljust(64, b"\0").hex(), *more)
    assert status == 0, err
    return base64.b64decode(out)


def measured(report_data):
    return quote(report_data, "--mrenclave", MEASURED)


def spki(key):
    return openssl("pkey", "-in", key, "-pubout", "-outform", "DER")


def pem_and_nul(key):
    return openssl("pkey", "-in", key, "-pubout") + b"\0"


def sha256(data):
    return hashlib.sha256(data).digest()


# --- what each product puts into its extension ---

def interoperable(key, hash_id=1, claims_hash=sha256, more=b"", pairs=1, quoted=measured):
    digest = {1: hashlib.sha256, 7: hashlib.sha384, 8: hashlib.sha512}[hash_id](spki(key)).digest()
    wrapped = cbor(4, 2) + cbor(0, hash_id) + octets(digest)
    claims = cbor(5, pairs) + cbor(3, 11) + b"pubkey-hash" + octets(wrapped) + more
    return b"\xd9\xea\x60" + cbor(4, 2) + octets(quoted(claims_hash(claims))) + octets(claims)


def gramine(key):
    return measured(sha256(spki(key)))


def oe_report(key, of=pem_and_nul):
    held = measured(sha256(of(key)))
    return (1).to_bytes(4, "little") + (2).to_bytes(4, "little") + len(held).to_bytes(8, "little") + held


def oe_evidence(key):
    held = measured(sha256(pem_and_nul(key))) + pem_and_nul(key)
    return ((3).to_bytes(4, "little") + bytes.fromhex("a3a21e871b4d4014b70aa125d2fbcd8c") + bytes(4)
            + len(held).to_bytes(8, "little") + held)


def tdx(report_data):
    return quote(report_data, "--mrtd", "cd" * 48, platform="tdx-platform")


def dstack(key):
    return tdx(hashlib.sha512(b"ratls-cert:" + spki(key)).digest())


# --- certificates ---

def new_key(name, curve="P-384"):
    path = DIR / f"{name}.key"
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-out", path)
    return path


def certificate(key, *extensions):
    lines = "".join(f"{oid} = {'critical,' if critical else ''}DER:{value.hex()}\n"
                    for oid, value, critical in extensions)
    config, out = DIR / "req.cnf", DIR / "cert.pem"
    config.write_text(f"[req]\ndistinguished_name=dn\nx509_extensions=x\nprompt=no\n[dn]\nCN=RATLS\n[x]\n"
                      f"basicConstraints=CA:FALSE\n{lines}")
    openssl("req", "-new", "-x509", "-key", key, "-days", 7, "-config", config, "-out", out)
    return out


def verify(path, policy="policy.yaml", collateral="platform", more=()):
    status, out, err = call(VOUCH, "cert", "verify", path, "--policy", DIR / policy, "--collateral-dir",
                            DIR / collateral / "collateral", "--json", *more)
    assert out, err
    return status, json.loads(out)


def expect(path, code, **more):
    status, answer = verify(path, **more)
    assert answer["result"] == ("ok" if code is None else "reject"), answer
    assert status == (0 if code is None else 1) and (code is None or code in json.dumps(answer)), answer
    return answer


def platforms_and_policies_are_made():
    for name, tee in (("platform", "sgx"), ("tdx-platform", "tdx")):
        status, _, err = call(SIM, "platform", "create", DIR / name, "--tee", tee)
        assert status == 0, err
        root = hashlib.sha256(openssl("x509", "-in", DIR / name / "root.pem", "-outform", "DER")).hexdigest()
        rule = f"{{mrenclave: {MEASURED}}}" if tee == "sgx" else f"{{mrtd: {'cd' * 48}}}"
        (DIR / ("policy.yaml" if tee == "sgx" else "tdx.yaml")).write_text(
            f"measurements: [{rule}]\nroots: [{root}]\n")
    HAVE["key"], HAVE["other"] = new_key("key"), new_key("other")


PRODUCTS = {
    "gramine, interoperable": lambda k: [(DICE, interoperable(k), False)],
    "gramine, both together": lambda k: [(GRAMINE, gramine(k), False), (DICE, interoperable(k), False)],
    "gramine, legacy": lambda k: [(GRAMINE, gramine(k), False)],
    "gramine, legacy with the right OID": lambda k: [(GRAMINE_RIGHT, gramine(k), False)],
    "Intel SGX SDK": lambda k: [(INTEL, interoperable_quote(k), False), (DICE, HAVE["dice"], False)],
    "Intel SGX SDK, older": lambda k: [(INTEL, gramine(k), False)],
    "rats-tls": lambda k: [(DICE, interoperable(k, pairs=3, more=cbor(3, 5) + b"key_0" + octets(b"value_0")
                                                + cbor(3, 5) + b"key_1" + octets(b"value_1")), False)],
    "a critical extension": lambda k: [(DICE, interoperable(k), True)],
    "Open Enclave, report": lambda k: [(OE_REPORT, oe_report(k), False)],
    "Open Enclave, old report OID": lambda k: [("1.2.840.113556.10.1.1", oe_report(k), False)],
    "Open Enclave, evidence": lambda k: [(OE_EVIDENCE, oe_evidence(k), False)],
    "EGo": lambda k: [(OE_REPORT, oe_report(k, of=spki), False)],
}


def interoperable_quote(key):
    """The SDK puts the same quote into both of its extensions."""
    kept = []
    HAVE["dice"] = interoperable(key, quoted=lambda data: kept.append(measured(data)) or kept[0])
    return kept[0]


def certificates_of_each_product_are_recognised_and_verified():
    for name, make in PRODUCTS.items():
        try:
            answer = expect(certificate(HAVE["key"], *make(HAVE["key"])), None)
            assert answer["measured"] == "program", answer
        except AssertionError as why:
            raise AssertionError(f"{name}: {why}") from None


def evidence_of_each_product_over_another_key_is_refused():
    for name, make in PRODUCTS.items():
        try:
            expect(certificate(HAVE["other"], *make(HAVE["key"])), "report-data")
        except AssertionError as why:
            raise AssertionError(f"{name}: {why}") from None


def tdx_quotes_of_dstack_and_of_intels_sdk_are_verified():
    key = HAVE["key"]
    sha384 = lambda claims: hashlib.sha384(claims).digest()
    more = {"policy": "tdx.yaml", "collateral": "tdx-platform"}
    expect(certificate(key, (DSTACK, dstack(key), False)), None, **more)
    expect(certificate(key, (DICE, interoperable(key, 7, sha384, quoted=tdx), False)), None, **more)
    expect(certificate(key, (DICE, interoperable(key, 7, sha384), False)), "report-data")  # SHA-384 is TDX's alone


def p_256_keys_and_all_three_hashes_are_read():
    key = new_key("p256", "P-256")
    for hash_id in (1, 7, 8):
        expect(certificate(key, (DICE, interoperable(key, hash_id), False)), None)


def the_interoperable_extension_decides_where_it_is_present():
    key = HAVE["key"]
    wrong = interoperable(HAVE["other"])
    expect(certificate(key, (GRAMINE, gramine(key), False), (DICE, wrong, False)), "report-data")
    expect(certificate(key, (GRAMINE, gramine(key), False), (DICE, b"\x01", False)), "evidence-form")


def extensions_are_found_by_der_never_by_their_bytes():
    key = HAVE["key"]
    oid = bytes.fromhex("0609") + bytes.fromhex("2a864886f84d8a3906")  # what Gramine itself searches for
    hidden = b"\x04" + bytes([len(oid)]) + oid + gramine(key)
    expect(certificate(key, ("1.2.3.4.5", hidden, False)), "no-evidence")
    twice = [(GRAMINE, gramine(key), False), (GRAMINE_RIGHT, gramine(key), False)]
    expect(certificate(key, *twice), "twice")
    expect(certificate(key, (DICE, interoperable(key) + b"\0", False)), "evidence-form")


def other_code_debug_and_other_roots_are_refused():
    key = HAVE["key"]
    other = lambda data: quote(data, "--mrenclave", "ef" * 32)
    debug = lambda data: quote(data, "--mrenclave", MEASURED, "--debug")
    expect(certificate(key, (DICE, interoperable(key, quoted=other), False)), "measurement")
    expect(certificate(key, (DICE, interoperable(key, quoted=debug), False)), "debug")
    (DIR / "intel.yaml").write_text(f"measurements: [{{mrenclave: {MEASURED}}}]\nroots: [intel]\n")
    expect(certificate(key, (DICE, interoperable(key), False)), "root", policy="intel.yaml")


def such_a_certificate_is_never_admitted_to_a_federation():
    key = HAVE["key"]
    federation = DIR / "attestation.yaml"
    root = hashlib.sha256(openssl("x509", "-in", DIR / "platform/root.pem", "-outform", "DER")).hexdigest()
    federation.write_text(
        "version: 1\nfederation:\n  id: 000102030405060708090a0b0c0d0e0f\n  from: 2026-01-01T00:00:00Z\n"
        f"  enable: {{aggregator: true, collaborator: true}}\n  initial_model: '{'11' * 32}'\n  participants:\n"
        f"    - {{name: RATLS, role: collaborator, enrolment: '{'22' * 32}'}}\n"
        f"    - {{name: agg, role: aggregator, enrolment: '{'33' * 32}'}}\n  measurements:\n"
        f"    aggregator: [{{mrenclave: {MEASURED}}}]\n    collaborator: [{{mrenclave: {MEASURED}}}]\n"
        f"  tcb: {{accept: [UpToDate]}}\n  token: off\n  channel: key\n  roots: ['{root}']\n  model_export: clear\n")
    answer = expect(certificate(key, (DICE, interoperable(key, 7), False)), "evidence-form", policy="attestation.yaml")
    assert "vouch-" in answer["message"] and "absent" in answer["message"], answer


def the_real_certificates_show_genuine_debug_enclaves():
    for name, measurement in (
            ("gramine-cert.pem", "0866e7ca11b9f4efe4bf39b2607f4e1299f111920d96d95719080f01b62b7585"),
            ("rats-tls-cert.pem", "38e1b40b8c68186f359c97ecb6a89965d9d8638f2df06fbe18e84d79a266c041")):
        status, out, _ = call(VOUCH, "cert", "show", VECTORS / "ratls" / name, "--json")
        assert status == 0 and measurement in json.dumps(json.loads(out)), out
        answer = expect(VECTORS / "ratls" / name, "quote", more=("--at", "2024-01-01T00:00:00Z"))
        passed = {c["check"] for c in answer["checks"] if c["passed"]}
        assert {"certificate", "evidence", "self-signature", "validity"} <= passed, answer  # bound to their keys
        assert answer["measurement"] == measurement and answer["debug"] is True, answer


def the_real_one_that_expired_is_refused_for_that():
    answer = expect(VECTORS / "ratls/rats-tls-cert.pem", "validity")
    assert "expired" in answer["message"], answer


try:
    tap.run(
        platforms_and_policies_are_made,
        certificates_of_each_product_are_recognised_and_verified,
        evidence_of_each_product_over_another_key_is_refused,
        tdx_quotes_of_dstack_and_of_intels_sdk_are_verified,
        p_256_keys_and_all_three_hashes_are_read,
        the_interoperable_extension_decides_where_it_is_present,
        extensions_are_found_by_der_never_by_their_bytes,
        other_code_debug_and_other_roots_are_refused,
        such_a_certificate_is_never_admitted_to_a_federation,
        the_real_certificates_show_genuine_debug_enclaves,
        the_real_one_that_expired_is_refused_for_that,
    )
finally:
    HOME.cleanup()
