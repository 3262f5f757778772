#!/usr/bin/env python3
"""`vouch-verifyd` over raw HTTPS: usage verifyd_test.py DIRECTORY-OF-PROGRAMS"""
import base64
import calendar
import concurrent.futures
import hashlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import ssl
import stat
import subprocess
import sys
import tempfile
import time

import tap
from verifyd_service import JSON, MRENCLAVE, Stage, b64, report_data
from ports import free_port

STAGE = Stage(sys.argv[1])
HELD = b"\xa1 claims, and no JSON"
program, must, quote = STAGE.program, STAGE.must, STAGE.quote


def sgx_request(service, held=HELD, **more):
    nonce = service.nonce()
    request = {"quote": quote(SGX, report_data(nonce, held)), "verifier_nonce": nonce,
               "runtime_data": b64(held)}
    request.update(more)
    return request


def parts(token):
    header, payload, _ = token.split(".")
    return [json.loads(base64.urlsafe_b64decode(p + "=" * (-len(p) % 4))) for p in (header, payload)]


def token_of(answer):
    status, body = answer
    assert status == 200, body
    assert list(body) == ["token"], body
    return body["token"]


def refused(answer, *words):
    status, body = answer
    assert status == 400, (status, body)
    assert list(body) == ["error"], body
    for word in words:
        assert word in body["error"], body


def init_prints_where_everything_is_and_keys_are_private():
    made = S.made
    for name in ("config", "tls_ca", "api_key_file", "token_root"):
        assert pathlib.Path(made[name]).is_file(), name
    assert made["base_url"] == f"https://127.0.0.1:{S.port}"
    assert len(made["policies"]) == 2
    for found in (STAGE.dir / "main").rglob("*.key"):
        assert stat.S_IMODE(found.stat().st_mode) == 0o600, found
    assert re.fullmatch("[A-Za-z0-9]{40}", S.key), "a key that each official client takes"


def init_does_not_overwrite():
    done = program("vouch-verifyd", "init", STAGE.dir / "main", "--host", "127.0.0.1")
    assert done.returncode == 2 and "already" in done.stderr, done


def without_collateral_init_says_what_the_start_needs():
    done = program("vouch-verifyd", "init", STAGE.dir / "bare", "--host", "127.0.0.1")
    assert done.returncode == 0 and "bare/collateral" in done.stderr, done
    done = program("vouch-verifyd", "--config", STAGE.dir / "bare/verifyd.yaml", "--check-config")
    assert done.returncode == 3 and "no collateral" in done.stderr, done


def check_config_says_what_is_wrong_and_where():
    config = pathlib.Path(S.made["config"])
    assert program("vouch-verifyd", "--config", config, "--check-config").returncode == 0
    bad = config.with_name("bad.yaml")
    bad.write_text(config.read_text().replace("lifetime_s: 300", "lifetime_s: 301")
                   .replace("instance:", "instanze:"))
    done = program("vouch-verifyd", "--config", bad, "--check-config")
    assert done.returncode == 2, done
    assert re.search(r"bad\.yaml:\d+:\d+: .*instanze", done.stderr), done.stderr


def a_root_or_a_policy_that_is_not_there_is_named():
    config = pathlib.Path(S.made["config"])
    for name, said in (("roots/1.pem", "root '.*lost.pem'"), (f"policies/{S.made['policies'][0]['id']}.yaml", "lost.pem")):
        bad = config.with_name("lost.yaml")
        text = config.read_text()
        assert name in text, (name, text)
        bad.write_text(text.replace(name, "lost.pem"))
        done = program("vouch-verifyd", "--config", bad, "--check-config")
        assert done.returncode == 3 and re.search(said, done.stderr), done


def keys_that_clients_would_refuse_are_found_at_the_start():
    config = pathlib.Path(S.made["config"])
    for name, change in (("keys", ("signing_key: token/ca.key", "signing_key: token/root.key")),
                         ("pair", ("ring: token/ring.yaml",
                                    "keys: [{key: token/ca.key, chain: token/chain.pem}]")),
                         ("tls", ("key: tls/server.key", "key: tls/ca.key"))):
        bad = config.with_name(f"bad-{name}.yaml")
        bad.write_text(config.read_text().replace(*change))
        done = program("vouch-verifyd", "--config", bad, "--check-config")
        assert done.returncode == 2, (name, done)


def a_nonce_has_intels_form():
    for version in (1, 2):
        answer, body = S.call("GET", f"/appraisal/v{version}/nonce")
        nonce = json.loads(body)
        assert sorted(nonce) == ["iat", "signature", "val"]
        val = base64.b64decode(nonce["val"], validate=True)
        assert len(val) == 88 and len(base64.b64decode(val, validate=True)) == 64
        assert re.fullmatch(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC",
                            base64.b64decode(nonce["iat"], validate=True))
        assert len(base64.b64decode(nonce["signature"], validate=True)) == 384
        assert len(body) <= 4096 and answer.getheader("content-type") == "application/json"


def an_sgx_quote_gets_a_flat_token():
    request = sgx_request(S)
    token = token_of(S.attest(request))
    header, claims = parts(token)
    assert header["alg"] == "PS384" and header["typ"] == "JWT"
    assert header["jku"] == S.made["base_url"] + "/certs" and re.fullmatch("[0-9a-f]{96}", header["kid"])
    assert claims["ver"] == "1.0.0" and claims["iss"] == "Intel Trust Authority"
    assert claims["exp"] - claims["iat"] == 300 and claims["nbf"] == claims["iat"] <= time.time()
    assert claims["attester_type"] == "SGX" and claims["attester_tcb_status"] == "UpToDate"
    assert claims["attester_held_data"] == b64(HELD)
    assert claims["verifier_nonce"] == request["verifier_nonce"]
    assert claims["sgx_mrenclave"] == MRENCLAVE and claims["dbgstat"] == "disabled"
    assert claims["policy_defined_claims"] == {"simulated": True, "root_sha256": ROOT_DIGEST}
    assert claims["sgx_collateral"]["quotehash"] == hashlib.sha256(
        base64.b64decode(request["quote"])).hexdigest()
    for name, file in {"tcbinfohash": "tcb_info.json", "tcbinfocerthash": "tcb_info_issuer_chain.pem",
                       "tcbinfocrlhash": "root_ca_crl.der", "qeidhash": "qe_identity.json",
                       "qeidcerthash": "qe_identity_issuer_chain.pem", "qeidcrlhash": "root_ca_crl.der"}.items():
        content = (SGX / "collateral" / file).read_bytes()
        assert claims["sgx_collateral"][name] == hashlib.sha256(content).hexdigest(), name
    assert "aud" not in claims and "sgx" not in claims


def a_tdx_quote_gets_a_nested_token_on_v2():
    nonce = TDX_SERVICE.nonce(2)
    evidence = {"quote": quote(TDX, report_data(nonce, HELD, True)), "runtime_data": b64(HELD),
                "verifier_nonce": nonce, "user_data": None, "event_log": None}
    _, claims = parts(token_of(TDX_SERVICE.attest({"tdx": evidence}, 2)))
    assert claims["ver"] == "2.0.0" and claims["iss"] == TDX_SERVICE.made["base_url"]
    assert claims["appraisal"] == {"method": "default", "ver": 2}
    assert claims["tdx"]["attester_type"] == "TDX" and len(claims["tdx"]["tdx_mrtd"]) == 96
    assert claims["tdx"]["verifier_nonce"] == nonce and "attester_type" not in claims


def a_flat_body_on_v2_gets_a_flat_token():
    _, claims = parts(token_of(S.attest(sgx_request(S), 2)))
    assert claims["ver"] == "1.0.0" and claims["attester_type"] == "SGX"


def a_composite_body_on_v1_is_refused():
    request = sgx_request(S)
    refused(S.attest({"sgx": request}), "quote")


def nulls_and_empties_mean_absent():
    request = sgx_request(S, policy_ids=None, policy_must_match=None, token_signing_alg=None,
                          user_data=None, event_log=None, unknown_member=7)
    token_of(S.attest(request))
    request = sgx_request(S, policy_ids=[], token_signing_alg="", user_data="")
    token_of(S.attest(request))
    data = report_data(None, b"")
    token_of(S.attest({"quote": quote(SGX, data), "verifier_nonce": None, "runtime_data": ""}))


def both_base64_alphabets_with_and_without_padding_are_read():
    for change in (lambda t: t.translate(str.maketrans("+/", "-_")),
                   lambda t: t.translate(str.maketrans("+/", "-_")).rstrip("="),
                   lambda t: t.rstrip("=")):
        request = sgx_request(S)
        request["quote"] = change(request["quote"])
        request["runtime_data"] = change(request["runtime_data"])
        token_of(S.attest(request))
    request = sgx_request(S)
    request["quote"] = request["quote"][:40] + "\n" + request["quote"][40:]
    refused(S.attest(request), "quote")


def rs256_is_given_on_demand_and_others_are_refused():
    header, _ = parts(token_of(S.attest(sgx_request(S, token_signing_alg="RS256"))))
    assert header["alg"] == "RS256"
    refused(S.attest(sgx_request(S, token_signing_alg="none")), "token_signing_alg")


def runtime_data_that_is_json_comes_back_as_json():
    held = b'{"b": [1, 2], "a": "x"}'
    _, claims = parts(token_of(S.attest(sgx_request(S, held))))
    assert claims["attester_runtime_data"] == {"a": "x", "b": [1, 2]}
    assert "attester_held_data" not in claims


def openfls_form_without_a_nonce_is_accepted():
    pem = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    request = {"quote": quote(SGX, hashlib.sha256(pem).hexdigest() + "00" * 32),
               "runtime_data": b64(pem)}
    _, claims = parts(token_of(S.attest(request)))
    assert claims["attester_held_data"] == b64(pem) and "verifier_nonce" not in claims


def a_nonce_is_good_once():
    request = sgx_request(S)
    token_of(S.attest(request))
    refused(S.attest(request), "nonce", "used before")


def a_used_nonce_stays_used_after_a_kill():
    request = sgx_request(S)
    token_of(S.attest(request))
    S.stop(signal.SIGKILL)
    S.start()
    refused(S.attest(request), "used before")


def of_many_at_once_with_one_nonce_exactly_one_wins():
    request = sgx_request(S)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = sorted(s for s, _ in pool.map(lambda _: S.attest(request), range(8)))
    assert statuses == [200] + [400] * 7, statuses


def a_decision_that_cannot_be_recorded_gives_no_token_and_uses_no_nonce():
    request = sgx_request(S)
    with sqlite3.connect(STAGE.dir / "main/state.db", isolation_level=None) as db:
        db.execute("BEGIN IMMEDIATE")  # another program holds the database for longer than the service waits
        status, body = S.attest(request)
        assert status == 500 and list(body) == ["error"], (status, body)
        db.execute("ROLLBACK")
    db.close()
    token_of(S.attest(request))
    refused(S.attest(request), "used before")


def every_decision_is_in_the_audit_log_with_evidence_and_reason():
    good, bad = sgx_request(S), sgx_request(S, runtime_data=b64(HELD + b"x"))
    _, answer = S.attest(good)
    issued = parts(answer["token"])[1]["jti"]
    refused(S.attest(bad), "not bound")
    with sqlite3.connect(STAGE.dir / "main/state.db") as db:
        rows = db.execute("SELECT issued, step, code, message, token, evidence, trace FROM decision "
                          "ORDER BY id DESC LIMIT 2").fetchall()
    db.close()
    digest = [hashlib.sha256(base64.b64decode(r["quote"])).digest() for r in (bad, good)]
    assert rows[0][:3] == (0, "binding", "report_data") and "not bound" in rows[0][3] and rows[0][4] is None
    assert rows[1][:3] == (1, None, None) and rows[1][4] == issued
    assert [r[5] for r in rows] == digest
    log = S.log_file.read_text()
    for row, event in zip(rows, ("attest.refused", "attest.issued")):
        (line,) = [one for one in log.splitlines() if row[6] in one and event in one]
        assert row[5].hex() in line, line


def a_nonce_expires():
    request = sgx_request(SHORT)
    time.sleep(2.2)
    refused(SHORT.attest(request), "nonce", "expired")


def a_nonce_that_was_touched_is_refused():
    for name, change in (("val", b"A"), ("iat", b"2"), ("signature", b"\0")):
        request = sgx_request(S)
        nonce = request["verifier_nonce"]
        bytes_of = bytearray(base64.b64decode(nonce[name]))
        bytes_of[5] ^= 1
        nonce[name] = b64(bytes(bytes_of))
        request["quote"] = quote(SGX, report_data(nonce, HELD))
        refused(S.attest(request), "nonce")
    request = sgx_request(S)
    nonce = request["verifier_nonce"]
    val, iat = base64.b64decode(nonce["val"]), base64.b64decode(nonce["iat"])
    nonce["val"], nonce["iat"] = b64(val + iat[:1]), b64(iat[1:])  # the same bytes in a row
    refused(S.attest(request), "nonce")
    foreign = sgx_request(SHORT)
    refused(S.attest(foreign), "not made by this service")
    request = sgx_request(S)
    del request["verifier_nonce"]["signature"]
    refused(S.attest(request), "signature")


def a_quote_bound_to_other_data_or_nonce_is_refused():
    refused(S.attest(sgx_request(S, runtime_data=b64(HELD + b"x"))), "not bound")
    request = sgx_request(S)
    request["verifier_nonce"] = S.nonce()
    refused(S.attest(request), "not bound")
    request = sgx_request(S)
    del request["runtime_data"]
    refused(S.attest(request), "not bound")
    nonce = S.nonce()  # right in the first half, but the second is not zero
    data = report_data(nonce, HELD)[:-2] + "01"
    refused(S.attest({"quote": quote(SGX, data), "verifier_nonce": nonce, "runtime_data": b64(HELD)}),
            "not bound")


def a_corrupted_quote_is_refused():
    for at in (0, 4, 50, 120, 400, 440, 700, 1000, 1100, 2000):
        request = sgx_request(S)
        raw = bytearray(base64.b64decode(request["quote"]))
        raw[at] ^= 1
        request["quote"] = b64(bytes(raw))
        refused(S.attest(request), "Failed to verify quote")
    for size in (0, 1, 47, 48, 432, 1000):
        request = sgx_request(S)
        request["quote"] = b64(base64.b64decode(request["quote"])[:size])
        refused(S.attest(request))


def a_platform_under_another_root_is_refused():
    nonce = S.nonce()
    refused(S.attest({"quote": quote(STRANGER, report_data(nonce, HELD)), "verifier_nonce": nonce,
                      "runtime_data": b64(HELD)}), "Failed to verify quote")


def a_revoked_platform_gets_no_token_and_an_old_one_does():
    revoked = STAGE.platform("revoked", "--revoke", "pck")
    service = STAGE.service("for-revoked", revoked)
    nonce = service.nonce()
    answer = service.attest({"quote": quote(revoked, report_data(nonce, HELD)),
                             "verifier_nonce": nonce, "runtime_data": b64(HELD)})
    service.stop()
    refused(answer, "Failed to verify quote", "revoked")
    old = STAGE.platform("old", "--tcb-status", "OutOfDate", "--advisory", "INTEL-SA-00615")
    service = STAGE.service("for-old", old)
    nonce = service.nonce()
    answer = service.attest({"quote": quote(old, report_data(nonce, HELD)),
                             "verifier_nonce": nonce, "runtime_data": b64(HELD)})
    service.stop()
    _, claims = parts(token_of(answer))
    assert claims["attester_tcb_status"] == "OutOfDate"
    assert claims["attester_advisory_ids"] == ["INTEL-SA-00615"]


def a_debug_enclave_is_told():
    nonce = S.nonce()
    _, claims = parts(token_of(S.attest(
        {"quote": quote(SGX, report_data(nonce, HELD), "--debug"), "verifier_nonce": nonce,
         "runtime_data": b64(HELD)})))
    assert claims["dbgstat"] == "enabled" and claims["sgx_is_debuggable"] is True


def policies_are_named_as_matched_or_not():
    match, other = (p["id"] for p in S.made["policies"])
    _, claims = parts(token_of(S.attest(sgx_request(S))))
    assert [p["id"] for p in claims["policy_ids_matched"]] == [match]
    assert [p["id"] for p in claims["policy_ids_unmatched"]] == [other]
    text = pathlib.Path(S.made["policies"][0]["file"]).read_bytes()
    assert claims["policy_ids_matched"][0]["hash"] == b64(hashlib.sha384(text).digest())
    assert claims["policy_ids_matched"][0]["version"] == "v1"
    _, claims = parts(token_of(S.attest(sgx_request(S, policy_ids=[match], policy_must_match=True))))
    assert "policy_ids_unmatched" not in claims
    refused(S.attest(sgx_request(S, policy_ids=[match, other], policy_must_match=True)), other)
    refused(S.attest(sgx_request(S, policy_ids=["0" * 8 + other[8:]])), "does not exist")
    refused(S.attest(sgx_request(S, policy_ids=["not-a-uuid"])), "policy_ids")
    refused(S.attest(sgx_request(S, policy_ids=[match] * 11)), "policy_ids")


def policy_builders_json_is_judged_beside_our_yaml_and_rego_is_told():
    builder = STAGE.dir / "builder.json"
    rules = {"sgx_mrenclave": ["22" * 32, MRENCLAVE], "sgx_is_debuggable": False,
             "tcb_status_allowed": ["UpToDate"], "allowed_advisory_ids": []}
    builder.write_text(json.dumps({"policy": {"composite_appraisal": {
        "sgx": rules, "export": {"sgx": {"sgx_mrenclave": "code", "sgx_isvsvn": "my_svn",
                                         "attester_tcb_status": "status"}}}}}))
    other = STAGE.dir / "builder-other.json"
    other.write_text(json.dumps({"policy": {"sgx_appraisal": {"sgx_isvsvn_min": 65535}}}))
    service = STAGE.service("builder", SGX, "--policy", builder, "--policy", other, "--policy",
                            STAGE.policy("beside", SGX))
    ids = [p["id"] for p in service.made["policies"]]
    claims = parts(token_of(service.attest(sgx_request(service))))[1]
    assert [p["id"] for p in claims["policy_ids_matched"]] == [ids[0], ids[2]], claims
    assert [p["id"] for p in claims["policy_ids_unmatched"]] == [ids[1]]
    assert claims["policy_ids_matched"][0]["hash"] == b64(hashlib.sha384(builder.read_bytes()).digest())
    assert claims["policy_ids_unmatched"][0]["hash"] == b64(hashlib.sha384(other.read_bytes()).digest())
    assert claims["policy_defined_claims"] == {
        "simulated": True, "root_sha256": ROOT_DIGEST, "code": MRENCLAVE, "my_svn": claims["sgx_isvsvn"],
        "status": "UpToDate"}
    refused(service.attest(sgx_request(service, policy_ids=[ids[1]], policy_must_match=True)),
            "does not match")
    config = pathlib.Path(service.made["config"])
    rego = "import rego.v1\ndefault match := false\nmatch if { input.sgx.sgx_isvsvn >= 1 }\n"
    for name, text in (("p.rego", rego), ("p.json", json.dumps({"policy": rego}))):
        config.with_name(name).write_text(text)
        bad = config.with_name("rego.yaml")
        bad.write_text(config.read_text().replace(f"policies/{ids[1]}.json", name))
        done = program("vouch-verifyd", "--config", bad, "--check-config")
        assert done.returncode == 2 and "Rego, which is not evaluated here" in done.stderr, done
        done = program("vouch-verifyd", "init", STAGE.dir / f"with-{name}", "--host", "127.0.0.1",
                       "--policy", config.with_name(name))
        assert done.returncode == 2 and "Rego, which is not evaluated here" in done.stderr, done
    service.stop()


def the_wrong_tee_or_foreign_evidence_is_refused():
    request = sgx_request(S)
    refused(S.attest({"tdx": request}, 2), "TEE")
    refused(S.attest({"sgx": sgx_request(S), "nvgpu": {"evidence_list": [1]}}, 2), "nvgpu")
    refused(S.attest({"sgx": sgx_request(S), "tdx": {"quote": "AAAA"}}, 2), "exactly one")
    refused(S.attest(sgx_request(S, user_data=b64(b"x"))), "user_data")


def malformed_bodies_are_400_and_name_the_fault():
    for body in (b"", b"{", b"[]", b"null", b'{"quote": 7}', b'{"quote": "AAAA"}', b"{}",
                 b'{"quote":"AAAA","quote":"AAAA"}', b'{"a":' + b"[" * 100 + b"]" * 100 + b"}",
                 b'{"quote": "\xff"}'):
        answer, text = S.call("POST", "/appraisal/v1/attest", body, headers=JSON)
        assert answer.status == 400, (body, answer.status)
        assert json.loads(text)["error"]


def a_key_is_demanded_and_compared():
    for key in (None, "", "A" * 40, S.key[:-1], S.key + "A", S.key.lower()):
        for method, path in (("GET", "/appraisal/v1/nonce"), ("POST", "/appraisal/v2/attest")):
            answer, body = S.call(method, path, b"{}" if method == "POST" else None, key=key,
                                  headers=JSON)
            assert answer.status == 401 and "error" in json.loads(body), (key, answer.status)


def wrong_methods_paths_and_types_have_their_status():
    cases = [("POST", "/appraisal/v1/nonce", 405), ("GET", "/appraisal/v1/attest", 405),
             ("DELETE", "/certs", 405), ("GET", "/", 404), ("GET", "/appraisal/v3/nonce", 404),
             ("POST", "/appraisal/v1/attest/azure/tdxvm", 404), ("POST", "/appraisal/v2/attest/azure", 404),
             ("GET", "/management/v1/users", 404), ("GET", "/certs/../certs/x", 404)]
    for method, path, want in cases:
        answer, body = S.call(method, path, b"{}" if method == "POST" else None, headers=JSON)
        assert answer.status == want, (method, path, answer.status)
        assert "error" in json.loads(body) and answer.getheader("trace-id")
    answer, _ = S.call("POST", "/appraisal/v1/attest", b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status == 415
    answer, _ = S.call("POST", "/appraisal/v1/attest", b"{}")
    assert answer.status == 415


def a_body_over_the_limit_is_413_and_others_go_on():
    body = b'{"quote":"' + b"A" * (3 << 20) + b'"}'
    try:
        answer, _ = S.call("POST", "/appraisal/v1/attest", body, headers=JSON)
        assert answer.status == 413, answer.status
    except (BrokenPipeError, ConnectionResetError):
        pass  # it may close while we still send
    token_of(S.attest(sgx_request(S)))


def trace_and_request_ids_are_on_every_answer():
    for path in ("/appraisal/v1/nonce", "/certs", "/nope"):
        answer, _ = S.call("GET", path, headers={"Request-Id": "my/id_1.2-3 x"})
        names = [name for name, _ in answer.getheaders()]
        assert "trace-id" in names and "request-id" in names, names
        assert answer.getheader("request-id") == "my/id_1.2-3 x"
        assert not any(mark in value for _, value in answer.getheaders() for mark in "'\"")
    for bad in ("", "a" * 129, "a;b"):
        answer, _ = S.call("GET", "/certs", headers={"request-id": bad})
        assert answer.status == 200 and answer.getheader("request-id") is None


def keys_and_crls_are_published_without_a_key():
    for path in ("/certs", "/certs/"):
        answer, body = S.call("GET", path, key=None)
        assert answer.status == 200
        (jwk,) = json.loads(body)["keys"]
        assert jwk["kty"] == "RSA" and jwk["e"] == "AQAB" and len(jwk["x5c"]) == 3
    for path in ("/crl/root-ca-crl.der", "/crl/ats-ca-crl.der"):
        answer, body = S.call("GET", path, key=None)
        assert answer.status == 200 and body[0] == 0x30
    _, body = S.call("GET", "/.well-known/openid-configuration", key=None)
    assert json.loads(body)["jwks_uri"] == S.made["base_url"] + "/certs"
    for path in ("/healthz", "/readyz"):
        assert S.call("GET", path, key=None)[0].status == 200


def crls_are_also_served_over_plain_http_where_asked():
    connection = http.client.HTTPConnection("127.0.0.1", CRL_PORT, timeout=10)
    connection.request("GET", "/crl/root-ca-crl.der")
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read()[0] == 0x30
    connection.request("GET", "/certs")
    assert connection.getresponse().status == 404


def a_client_that_does_not_trust_the_ca_gets_nothing():
    try:
        http.client.HTTPSConnection("127.0.0.1", S.port, timeout=10,
                                    context=ssl.create_default_context()).request("GET", "/healthz")
    except ssl.SSLCertVerificationError:
        return
    raise AssertionError("the certificate was accepted")


class Saved:
    """A token with everything that verifying it offline takes, as files."""

    def __init__(self, service, version=1):
        self.dir = pathlib.Path(tempfile.mkdtemp(dir=STAGE.dir))
        self.request = sgx_request(service)
        body = self.request if version == 1 else {"sgx": self.request}
        self.token = token_of(service.attest(body, version))
        self.claims = parts(self.token)[1]
        self.service = service
        self.put("token.jwt", self.token.encode() + b"\n")
        self.put("jwks.json", service.call("GET", "/certs", key=None)[1])
        self.put("nonce.json", json.dumps(self.request["verifier_nonce"]).encode())
        self.put("held", HELD)
        for crl in ("root-ca-crl.der", "ats-ca-crl.der"):
            self.put(crl, service.call("GET", f"/crl/{crl}", key=None)[1])
        self.options = {"--jwks": self.dir / "jwks.json", "--root": service.made["token_root"],
                        "--nonce": self.dir / "nonce.json", "--held-data": self.dir / "held",
                        "--policy": service.made["policies"][0]["file"]}

    def put(self, name, data):
        (self.dir / name).write_bytes(data)
        return self.dir / name

    def verify(self, *more, **changes):
        options = dict(self.options)
        for name, value in changes.items():
            options["--" + name.replace("_", "-")] = value
        words = [w for name, value in options.items() if value is not None for w in (name, value)]
        done = program("vouch", "token", "verify", self.dir / "token.jwt", *words, *more, "--json")
        assert done.returncode in (0, 1, 3), done
        verdict = json.loads(done.stdout)
        assert (done.returncode == 0) == (verdict["result"] == "ok"), done
        return done.returncode, verdict

    def refusal(self, *more, **changes):
        status, verdict = self.verify(*more, **changes)
        assert status == 1, (status, verdict)
        return {(r["step"], r["code"]) for r in verdict["reasons"]}


def a_token_is_verified_from_the_services_address():
    for version in (1, 2):
        saved = Saved(S, version)
        status, verdict = saved.verify(jwks=S.made["base_url"] + "/certs", ca=S.made["tls_ca"])
        assert status == 0, verdict
        assert verdict["revocation_checked"] and verdict["simulated"] and not verdict["debug"]
        assert verdict["nonce_compared"] and verdict["held_data_compared"]
        assert verdict["tcb_status"] == "UpToDate" and verdict["reasons"] == []
        assert verdict["claims"]["mrenclave"] == MRENCLAVE


def a_token_is_verified_offline_from_files():
    saved = Saved(S)
    status, verdict = saved.verify()
    assert status == 0 and not verdict["revocation_checked"], verdict
    status, verdict = saved.verify("--crl", saved.dir / "root-ca-crl.der", "--crl",
                                   saved.dir / "ats-ca-crl.der")
    assert status == 0 and verdict["revocation_checked"], verdict
    status, verdict = saved.verify(policy=None)  # the default policy, any measurement
    assert status == 0, verdict


def each_thing_that_differs_is_refused_with_its_reason():
    saved = Saved(S)
    match, other = (p["id"] for p in S.made["policies"])
    token = saved.token
    cases = [
        ({"root": None}, ("chain", "root")),
        ({"root": SHORT.made["token_root"]}, ("chain", "root")),
        ({"root": S.made["tls_ca"]}, ("chain", "root")),
        ({"jwks": SHORT_KEYS}, ("chain", "key_unknown")),
        ({"jwks": saved.put("junk.json", b"{}")}, ("structure", "jwks")),
        ({"crl": saved.dir / "root-ca-crl.der"}, ("chain", "revoked")),
        ({"nonce": saved.put("n.json", json.dumps(S.nonce()).encode())}, ("nonce", "nonce")),
        ({"held_data": saved.put("h", HELD + b"x")}, ("held_data", "held_data")),
        ({"policy": S.made["policies"][1]["file"]}, ("policy", "measurement")),
        ({"policy_id": other}, ("policy", "policy")),
        ({"at": saved.claims["exp"] + 5}, ("time", "time")),
        ({"at": saved.claims["nbf"] - 6}, ("time", "time")),
    ]
    for change, want in cases:
        assert want in saved.refusal(**change), (change, want)
    assert saved.verify(at=saved.claims["exp"] + 4)[0] == 0
    assert saved.verify(policy_id=match)[0] == 0
    second = Saved(S, 2)
    assert ("issuer", "issuer") in second.refusal(issuer="https://other.example")
    header, payload, signature = token.split(".")
    forged = json.loads(base64.urlsafe_b64decode(payload + "=="))
    forged["exp"] += 1000
    forged = base64.urlsafe_b64encode(json.dumps(forged).encode()).decode().rstrip("=")
    saved.put("token.jwt", f"{header}.{forged}.{signature}".encode())
    assert ("signature", "signature") in saved.refusal()
    saved.put("token.jwt", b"junk")
    assert ("structure", "malformed") in saved.refusal()


def what_cannot_be_read_is_said_as_input():
    saved = Saved(S)
    status, verdict = saved.verify(jwks=saved.dir / "absent")
    assert status == 3 and verdict["reasons"][0]["step"] == "input", verdict
    status, verdict = saved.verify(jwks=f"https://127.0.0.1:{free_port()}/certs")
    assert status == 3 and verdict["reasons"][0]["step"] == "input", verdict
    done = program("vouch", "token", "verify", saved.dir / "token.jwt", "--jwks",
                   saved.dir / "jwks.json", "--policy", saved.put("bad.yaml", b"unknown: 1\n"))
    assert done.returncode == 2 and "bad.yaml:1:" in done.stderr, done


def a_token_of_an_outdated_platform_is_refused_unless_the_policy_accepts_it():
    old = STAGE.platform("outdated", "--tcb-status", "OutOfDate")
    service = STAGE.service("outdated-service", old)
    nonce = service.nonce()
    token = token_of(service.attest({"quote": quote(old, report_data(nonce, HELD)),
                                     "verifier_nonce": nonce, "runtime_data": b64(HELD)}))
    (STAGE.dir / "old.jwt").write_text(token)
    words = ["token", "verify", STAGE.dir / "old.jwt", "--jwks", service.made["base_url"] + "/certs",
             "--ca", service.made["tls_ca"], "--root", service.made["token_root"]]
    default = program("vouch", *words)
    lenient = program("vouch", *words, "--policy",
                      STAGE.policy("old", old, more="tcb: {accept: [OutOfDate]}\n"))
    service.stop()
    assert default.returncode == 1 and "REFUSED" in default.stdout and "OutOfDate" in default.stdout
    assert lenient.returncode == 0 and "SIMULATED" in lenient.stdout, lenient


def no_secret_is_in_the_log():
    S.stop()
    text = S.log_file.read_text()
    S.start()
    assert "verifyd.listening" in text and "verifyd.stopped" in text
    assert S.key not in text and "attest.issued" in text and "attest.refused" in text
    assert b"BEGIN" not in text.encode()


def it_stops_cleanly_on_sigterm():
    assert S.stop() == 0
    S.start()


def edited(name, *more, change=lambda text: text):
    """A service whose configuration is edited before its start."""
    service = STAGE.service(name, SGX, *more)
    service.stop()
    config = pathlib.Path(service.made["config"])
    config.write_text(change(config.read_text()))
    service.start()
    return service


def reload(service, text=None):
    config = pathlib.Path(service.made["config"])
    if text is not None:
        config.write_text(text)
    before = len(re.findall("verifyd.reload", service.log_file.read_text()))
    service.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 10
    while len(re.findall("verifyd.reload", service.log_file.read_text())) == before:
        assert time.monotonic() < end, service.log_file.read_text()
        time.sleep(0.02)


def nonces_from_before_a_failure_of_the_host_are_refused():
    service = STAGE.service("host", SGX)
    kept, request = sgx_request(service), sgx_request(service)
    service.stop(signal.SIGKILL)
    with sqlite3.connect(STAGE.dir / "host/state.db") as db:
        assert db.execute("UPDATE run SET boot = 'another' WHERE clean = 0").rowcount == 1
    db.close()
    service.start()
    refused(service.attest(kept), "failure of the service's host")
    service.stop(signal.SIGKILL)  # the process only: it must not be forgiven by that
    service.start()
    refused(service.attest(request), "failure of the service's host")
    time.sleep(1.1)
    token_of(service.attest(sgx_request(service)))
    service.stop()
    with sqlite3.connect(STAGE.dir / "host/state.db") as db:
        assert db.execute("UPDATE run SET boot = 'third' WHERE clean = 1").rowcount == 1
    db.close()


def nonces_outlive_a_clean_stop_and_another_boot():
    service = STAGE.service("clean", SGX)
    request = sgx_request(service)
    service.stop()
    with sqlite3.connect(STAGE.dir / "clean/state.db") as db:
        assert db.execute("UPDATE run SET boot = 'another' WHERE clean = 1").rowcount == 1
    db.close()
    service.start()
    token_of(service.attest(request))
    service.stop()


def a_key_over_its_rate_is_429_with_retry_after_and_others_go_on():
    service = edited("rate", change=lambda text: text
                     + "api_keys: [{name: first, requests_per_s: 1, burst: 3}]\n")
    answers = [service.call("GET", "/appraisal/v1/nonce")[0] for _ in range(5)]
    assert [a.status for a in answers[:3]] == [200] * 3 and answers[4].status == 429
    wait = int(answers[4].getheader("retry-after"))
    assert 1 <= wait <= 2, wait
    assert service.call("GET", "/certs", key=None)[0].status == 200
    time.sleep(wait)
    assert service.call("GET", "/appraisal/v1/nonce")[0].status == 200
    service.stop()


def an_api_key_has_its_own_policies():
    service = STAGE.service("own", SGX, "--policy", STAGE.policy("own-a", SGX), "--policy",
                            STAGE.policy("own-b", SGX, "11" * 32))
    config = pathlib.Path(service.made["config"]).read_text()
    ids = re.findall(r"id: ([0-9a-f-]{36})", config)
    claims = parts(token_of(service.attest(sgx_request(service))))[1]
    assert len(claims["policy_ids_matched"] + claims["policy_ids_unmatched"]) == 2
    reload(service, config + f"api_keys: [{{name: first, policies: [{ids[0]}]}}]\n")
    claims = parts(token_of(service.attest(sgx_request(service))))[1]
    assert [p["id"] for p in claims["policy_ids_matched"]] == ids[:1]
    assert "policy_ids_unmatched" not in claims
    claims = parts(token_of(service.attest(sgx_request(service, policy_ids=[ids[1]]))))[1]
    assert [p["id"] for p in claims["policy_ids_unmatched"]] == ids[1:]
    reload(service, config + f"api_keys: [{{name: first, policies: [{MRENCLAVE[:36]}]}}]\n")
    assert "verifyd.reload_refused" in service.log_file.read_text()
    claims = parts(token_of(service.attest(sgx_request(service))))[1]
    assert "policy_ids_unmatched" not in claims  # a bad file leaves all as it was
    service.stop()


def what_changes_only_with_a_restart_is_refused_at_a_reload():
    service = STAGE.service("fixed", SGX)
    config = pathlib.Path(service.made["config"]).read_text()
    listen = re.search(r"(?m)^listen: .*$", config)[0]
    changes = [config.replace(listen, f'listen: "127.0.0.1:{free_port()}"'),
               config.replace(listen, listen.replace("127.0.0.1", "127.0.0.2")),
               config.replace("crl:\n", f'crl:\n  listen: "127.0.0.1:{free_port()}"\n'),
               config + f'operations: "127.0.0.1:{free_port()}"\n',
               config.replace("state: state.db", "state: other.db"), config + "limits: {connections: 77}\n"]
    refusals = lambda: service.log_file.read_text().count("change only with a restart")
    for number, changed in enumerate(changes, 1):
        assert changed != config
        reload(service, changed)
        assert refusals() == number, service.log_file.read_text()
    reload(service, config)
    assert refusals() == len(changes)
    token_of(service.attest(sgx_request(service)))
    service.stop()


def a_rotation_overlaps_and_no_token_or_nonce_is_lost():
    service = STAGE.service("rotate", SGX, "--token-lifetime", "5")
    kid_of = lambda token: parts(token)[0]["kid"]
    published = lambda: [k["kid"] for k in json.loads(service.call("GET", "/certs", key=None)[1])["keys"]]
    before, waiting = token_of(service.attest(sgx_request(service))), sgx_request(service)
    old = kid_of(before)
    assert published() == [old]
    words = ["vouch-verifyd", "rotate", "--config", service.made["config"], "--ahead", "2", "--json"]
    made = json.loads(must(*words))
    assert made["made"] and made["kid"] != old and not made["ca_renewed"]
    assert published() == [old]  # the service has not been told yet
    reload(service)
    assert published() == [old, made["kid"]]
    again = json.loads(must(*words))
    assert not again["made"] and again["kid"] == made["kid"], again
    signs_from = calendar.timegm(time.strptime(made["signs_from"], "%Y-%m-%dT%H:%M:%SZ"))
    seen, end = set(), time.monotonic() + 60
    while made["kid"] not in seen:  # published first, and used from its moment on
        assert time.monotonic() < end
        token = token_of(service.attest(sgx_request(service)))
        assert kid_of(token) == (old if parts(token)[1]["iat"] < signs_from else made["kid"])
        seen.add(kid_of(token))
        time.sleep(0.2)
    token_of(service.attest(waiting))  # its nonce was signed by the key before
    (STAGE.dir / "rotated.jwt").write_text(token)
    done = program("vouch", "token", "verify", STAGE.dir / "rotated.jwt", "--jwks",
                   service.made["base_url"] + "/certs", "--ca", service.made["tls_ca"], "--root",
                   service.made["token_root"])
    assert done.returncode == 0, done  # the pinned root is the same
    for found in (STAGE.dir / "rotate").rglob("*.key"):
        assert stat.S_IMODE(found.stat().st_mode) == 0o600, found
    service.stop()


def the_pull_requests_token_is_had_and_named_weaker():
    for service, platform, tee in ((S, SGX, "sgx"), (TDX_SERVICE, TDX, "tdx")):
        out = STAGE.dir / f"weaker-{tee}"
        vouch = STAGE.programs / "vouch"
        done = subprocess.run(
            [STAGE.programs / "vouch-sim", "run", "--platform", platform, "--", vouch, "attest", "--role",
             "collaborator", "--name", "col1", "--weaker-pem-token", "--verifier-ca", service.made["tls_ca"],
             "--out", out], capture_output=True, text=True, timeout=60,
            env=dict(os.environ, AVS_URL=service.made["base_url"], ITA_API_KEY=service.key))
        assert done.returncode == 0, done
        assert "WEAKER" in done.stderr and service.key not in done.stdout + done.stderr, done
        token = json.loads((out / "col1_avs_report.json").read_text())["token"]
        pem = (out / "col1_pubkey.pem").read_bytes()
        claims = parts(token)[1]
        assert claims["attester_held_data"] == b64(pem) and "verifier_nonce" not in claims
        assert claims["attester_type"] == tee.upper()
        (out / "token.jwt").write_text(token)
        words = ["token", "verify", out / "token.jwt", "--jwks", service.made["base_url"] + "/certs", "--ca",
                 service.made["tls_ca"], "--root", service.made["token_root"], "--held-data"]
        done = program("vouch", *words, out / "col1_pubkey.pem", "--json")
        assert done.returncode == 0, done
        (out / "other.pem").write_bytes(pem + b"\n")
        assert program("vouch", *words, out / "other.pem").returncode == 1
    done = subprocess.run(
        [STAGE.programs / "vouch-sim", "run", "--platform", SGX, "--", vouch, "attest", "--role", "collaborator",
         "--name", "col1", "--weaker-pem-token", "--verifier-ca", SHORT.made["tls_ca"], "--out", STAGE.dir / "none"],
        capture_output=True, text=True, timeout=60, env=dict(os.environ, AVS_URL=S.made["base_url"], ITA_API_KEY=S.key))
    assert done.returncode == 3 and "certificate" in done.stderr, done  # not ours to answer for
    for missing in ("AVS_URL", "ITA_API_KEY"):
        env = dict(os.environ, AVS_URL=S.made["base_url"], ITA_API_KEY=S.key)
        del env[missing]
        done = subprocess.run([vouch, "attest", "--role", "collaborator", "--name", "col1", "--weaker-pem-token"],
                              capture_output=True, text=True, timeout=60, env=env)
        assert done.returncode == 2 and "AVS_URL" in done.stderr, done


def metrics_count_and_stand_apart_from_the_service():
    port = free_port()
    service = edited("metrics", change=lambda text: text + f"operations: 127.0.0.1:{port}\n")
    token_of(service.attest(sgx_request(service)))
    refused(service.attest({}), "quote")

    def get(path):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    status, text = get("/metrics")
    assert status == 200
    for line in ("vouch_verifyd_tokens_total 1", "vouch_verifyd_nonces_total 1",
                 'vouch_verifyd_refused_total{step="request"} 1'):
        assert f"\n{line}\n" in text, text
    assert get("/readyz")[0] == 200 and get("/certs")[0] == 404
    assert service.call("GET", "/metrics")[0].status == 404
    service.stop()


def held_and_half_sent_requests_keep_nobody_out():
    service = edited("flood", change=lambda text: text + "limits: {connections: 20}\n")
    held = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(30)]
    half = []
    for _ in range(30):
        half.append(service.tls.wrap_socket(socket.create_connection(("127.0.0.1", service.port)),
                                            server_hostname="127.0.0.1"))
        half[-1].send(b"POST /appraisal/v1/attest HTTP/1.1\r\nContent-Length: 100\r\n")
    began = time.monotonic()
    token_of(service.attest(sgx_request(service)))
    assert time.monotonic() - began < 5
    for one in held + half:
        one.close()
    service.stop()


def the_service_manager_is_told():
    path = STAGE.dir / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(10)
        os.environ["NOTIFY_SOCKET"] = str(path)
        try:
            service = STAGE.service("notify-service", SGX)
        finally:
            del os.environ["NOTIFY_SOCKET"]
        assert manager.recv(100) == b"READY=1"
        service.process.send_signal(signal.SIGHUP)
        assert manager.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert manager.recv(100) == b"READY=1"
        service.stop()
        assert manager.recv(100) == b"STOPPING=1"


try:
    SGX = STAGE.platform("sgx")
    TDX = STAGE.platform("tdx", "--tee", "tdx")
    STRANGER = STAGE.platform("stranger")
    ROOT_DIGEST = STAGE.root_digest(SGX)
    CRL_PORT = free_port()
    S = STAGE.service("main", SGX, "--policy", STAGE.policy("match", SGX), "--policy",
                STAGE.policy("other", SGX, "11" * 32))
    SHORT = STAGE.service("short", SGX, "--nonce-lifetime", "2", "--token-lifetime", "5",
                    "--crl-listen", f"127.0.0.1:{CRL_PORT}")
    TDX_SERVICE = STAGE.service("tdx-service", TDX)
    SHORT_KEYS = STAGE.dir / "short-keys.json"
    SHORT_KEYS.write_bytes(SHORT.call("GET", "/certs", key=None)[1])
    tap.run(
        init_prints_where_everything_is_and_keys_are_private,
        init_does_not_overwrite,
        without_collateral_init_says_what_the_start_needs,
        check_config_says_what_is_wrong_and_where,
        a_root_or_a_policy_that_is_not_there_is_named,
    keys_that_clients_would_refuse_are_found_at_the_start,
        a_nonce_has_intels_form,
        an_sgx_quote_gets_a_flat_token,
        a_tdx_quote_gets_a_nested_token_on_v2,
        a_flat_body_on_v2_gets_a_flat_token,
        a_composite_body_on_v1_is_refused,
        nulls_and_empties_mean_absent,
        both_base64_alphabets_with_and_without_padding_are_read,
        rs256_is_given_on_demand_and_others_are_refused,
        runtime_data_that_is_json_comes_back_as_json,
        openfls_form_without_a_nonce_is_accepted,
        a_nonce_is_good_once,
        a_used_nonce_stays_used_after_a_kill,
        of_many_at_once_with_one_nonce_exactly_one_wins,
        a_decision_that_cannot_be_recorded_gives_no_token_and_uses_no_nonce,
        every_decision_is_in_the_audit_log_with_evidence_and_reason,
        a_nonce_expires,
        a_nonce_that_was_touched_is_refused,
        a_quote_bound_to_other_data_or_nonce_is_refused,
        a_corrupted_quote_is_refused,
        a_platform_under_another_root_is_refused,
        a_revoked_platform_gets_no_token_and_an_old_one_does,
        a_debug_enclave_is_told,
        policies_are_named_as_matched_or_not,
        policy_builders_json_is_judged_beside_our_yaml_and_rego_is_told,
        the_wrong_tee_or_foreign_evidence_is_refused,
        malformed_bodies_are_400_and_name_the_fault,
        a_key_is_demanded_and_compared,
        wrong_methods_paths_and_types_have_their_status,
        a_body_over_the_limit_is_413_and_others_go_on,
        trace_and_request_ids_are_on_every_answer,
        keys_and_crls_are_published_without_a_key,
        crls_are_also_served_over_plain_http_where_asked,
        a_client_that_does_not_trust_the_ca_gets_nothing,
        a_token_is_verified_from_the_services_address,
        a_token_is_verified_offline_from_files,
        each_thing_that_differs_is_refused_with_its_reason,
        what_cannot_be_read_is_said_as_input,
        a_token_of_an_outdated_platform_is_refused_unless_the_policy_accepts_it,
        no_secret_is_in_the_log,
        it_stops_cleanly_on_sigterm,
        nonces_from_before_a_failure_of_the_host_are_refused,
        nonces_outlive_a_clean_stop_and_another_boot,
        a_key_over_its_rate_is_429_with_retry_after_and_others_go_on,
        an_api_key_has_its_own_policies,
        what_changes_only_with_a_restart_is_refused_at_a_reload,
        a_rotation_overlaps_and_no_token_or_nonce_is_lost,
        the_pull_requests_token_is_had_and_named_weaker,
        metrics_count_and_stand_apart_from_the_service,
        held_and_half_sent_requests_keep_nobody_out,
        the_service_manager_is_told,
    )
finally:
    STAGE.close()
