#!/usr/bin/env python3
"""`vouch-verifyd` where Intel is slow and where too many ask: usage verifyd_load_test.py DIRECTORY-OF-PROGRAMS"""
import concurrent.futures
import http.client
import json
import pathlib
import socket
import sys
import threading
import time

import tap
from pcs_stand_in import StandIn, make_tls
from verifyd_service import JSON, Stage, b64, report_data
from ports import free_port

STAGE = Stage(sys.argv[1])
HELD = b"\xa1 claims"
AT_ONCE = 3  # seconds; a wait for Intel would take 8
BODY = 2 << 20  # the largest that is read
WAITING = 64 << 20  # bytes of bodies that may wait for a worker


def service_with(name, change):
    """A service whose configuration is changed before its start."""
    service = STAGE.service(name, SGX)
    service.stop()
    config = pathlib.Path(service.made["config"])
    config.write_text(change(config.read_text()))
    service.start()
    return service


def live(name, stand_in, more=""):
    """A service that asks `stand_in` for collateral."""
    def change(text):
        begin = text.index("collateral:\n  dir: ")
        end = text.index("\n", begin + 13)
        return (f"{text[:begin]}collateral: {{pccs: ['{stand_in.url}'], ca: '{TLS[0]}', store: collateral.db}}"
                f"{text[end:]}{more}")
    return service_with(name, change)


def request(service, platform):
    nonce = service.nonce()
    return {"quote": STAGE.quote(platform, report_data(nonce, HELD, platform == TDX)), "verifier_nonce": nonce,
            "runtime_data": b64(HELD)}


def timed(call, *words):
    began = time.monotonic()
    answer = call(*words)
    return time.monotonic() - began, answer


def while_intel_is_slow_for_one_platform_others_are_answered_at_once():
    intel, gate = StandIn(SGX, TLS), threading.Event()
    intel.others["/tdx/"] = TDX
    tdx_asked = lambda: [path for path, _query in intel.seen if path.startswith("/tdx/") and path.endswith("/tcb")]
    intel.faults["tcb"] = lambda reply: reply["path"].startswith("/tdx/") and gate.wait(60)
    service = live("slow", intel, "limits: {requests_per_s: 1000, burst: 1000}\n")
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        try:
            assert service.attest(request(service, SGX))[0] == 200  # it is known from here on
            strangers = [request(service, TDX) for _ in range(6)]
            known = [request(service, SGX) for _ in range(6)]
            # few enough that all may wait, then more than may: they are turned away, and nobody else is
            late = [pool.submit(timed, service.attest, one) for one in strangers[:5]]
            while not tdx_asked():
                time.sleep(0.02)
            for one in known[:3]:
                seconds, (status, body) = timed(service.attest, one)
                assert status == 200 and seconds < AT_ONCE, (seconds, status, body)
            crowd = [pool.submit(timed, service.attest, {"quote": strangers[5]["quote"]}) for _ in range(90)]
            while len(tdx_asked()) < 1 or not any(one.done() for one in crowd):
                time.sleep(0.02)  # some are turned away by now: as many wait as may
            for one in known[3:]:
                seconds, (status, body) = timed(service.attest, one)
                assert status == 200 and seconds < AT_ONCE, (seconds, status, body)
                assert timed(service.nonce)[0] < AT_ONCE
            assert not any(one.done() for one in late)
        finally:
            gate.set()
        for one in late:
            seconds, (status, body) = one.result()
            assert status == 200, body
        for one in crowd:
            _, (status, body) = one.result()
            assert status in (200, 400), (status, body)
            assert status == 200 or "not bound" in body["error"] or "wait for collateral" in body["error"], body
        assert any("wait for collateral" in one.result()[1][1].get("error", "") for one in crowd)
    assert len(tdx_asked()) == 1, intel.seen  # one fetch for all of them
    seconds, (status, _) = timed(service.attest, strangers[5])
    assert status == 200 and seconds < AT_ONCE and len(tdx_asked()) == 1  # known now: it need not wait
    service.stop()
    intel.close()


def what_intel_does_not_tell_is_a_refusal_and_no_fault():
    intel = StandIn(SGX, TLS)
    service = live("silent", intel)
    for status in (404, 500, 503):
        intel.faults["tcb"] = lambda reply, status=status: reply.update(status=status)
        answer, body = service.attest(request(service, SGX))
        assert answer == 400 and "could not find out" in body["error"], (answer, body)
    intel.close()  # nobody is there at all
    answer, body = service.attest(request(service, TDX))
    assert answer == 400 and "could not find out" in body["error"], (answer, body)
    assert "verifyd.fault" not in service.log_file.read_text()
    service.stop()


def a_platform_under_a_root_that_is_not_trusted_is_refused():
    stranger = STAGE.platform("of-another-vendor")
    intel = StandIn(stranger, TLS)
    service = live("choosy", intel)
    answer, body = service.attest({"quote": STAGE.quote(stranger, "00" * 64)})
    assert answer == 400 and "under no trusted root" in body["error"], (answer, body)
    assert "verifyd.fault" not in service.log_file.read_text()
    service.stop()
    intel.close()


def half_sent(service, body, path="/appraisal/v1/attest"):
    """A connection that has sent all but the last byte."""
    sock = service.tls.wrap_socket(socket.create_connection(("127.0.0.1", service.port)), server_hostname="127.0.0.1")
    sock.settimeout(60)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nx-api-key: {service.key}\r\nContent-Type: application/json\r\n" \
           f"Content-Length: {len(body)}\r\n\r\n"
    sock.sendall(head.encode() + body[:-1])
    return sock


def answer_of(sock):
    answer = http.client.HTTPResponse(sock, method="POST")
    answer.begin()
    return answer, json.loads(answer.read())


def more_than_may_wait_gets_503_and_uses_no_nonce():
    port = free_port()
    service = service_with("busy", lambda text: text + f"limits: {{requests_per_s: 1000, burst: 1000}}\n"
                                                       f"operations: 127.0.0.1:{port}\n")
    good = request(service, SGX)
    # each takes a worker far longer to read than the loop to hand over: an array of a million numbers
    filler = json.dumps({**good, "filler": []})[:-2]
    body = (filler + "0," * ((BODY - len(filler) - 3) // 2))[:-1] + "]}"
    assert BODY - 4 <= len(body) <= BODY
    held = [half_sent(service, body.encode()) for _ in range(2 * WAITING // BODY)]
    for one in held:
        one.sendall(body[-1:].encode())
    answers = [answer_of(one) for one in held]
    busy = [(a, said) for a, said in answers if a.status == 503]
    assert {a.status for a, _ in answers} == {200, 400, 503}, [a.status for a, _ in answers]
    assert [a.status for a, _ in answers].count(200) == 1  # one nonce, of those that were not turned away
    for answer, said in busy:
        assert int(answer.getheader("retry-after")) >= 1 and answer.getheader("trace-id"), answer.getheaders()
        assert list(said) == ["error"] and "waiting" in said["error"], said
    for one in held:
        one.close()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    assert f"\nvouch_verifyd_busy_total {len(busy)}\n" in connection.getresponse().read().decode()
    seconds, (status, said) = timed(service.attest, request(service, SGX))  # and it goes on as before
    assert status == 200 and seconds < AT_ONCE, (seconds, said)
    assert "verifyd.fault" not in service.log_file.read_text()
    service.stop()


def no_refusal_is_a_5xx():
    service = STAGE.service("refusals", SGX)
    good = request(service, SGX)
    bodies = [b"", b"{", b"[]", b"\xff" * 100, b"{}", b'{"quote":7}', b'{"quote":"AAAA"}', json.dumps(good).encode()[:-1],
              json.dumps({**good, "token_signing_alg": "none"}).encode(), json.dumps({**good, "policy_ids": ["x"]}).encode(),
              json.dumps({**good, "runtime_data": b64(b"x" * (20 << 10) + b"x")}).encode(),
              json.dumps({**good, "runtime_data": b64(b"other")}).encode(),
              json.dumps({**good, "verifier_nonce": {"val": "AA==", "iat": "AA==", "signature": "AA=="}}).encode(),
              json.dumps({"quote": STAGE.quote(STRANGER, "00" * 64)}).encode(), b"[" * 5000, b'{"quote":"' + b"A" * BODY]
    for path in ("/appraisal/v1/attest", "/appraisal/v2/attest"):
        for body in bodies:
            answer, text = service.call("POST", path, body, headers=JSON)
            assert answer.status in (400, 413) and json.loads(text)["error"], (body[:60], answer.status, text)
    whole = json.dumps(good).encode()
    for at in range(0, len(whole), len(whole) // 40):
        raw = bytearray(whole)
        raw[at] ^= 4
        answer, text = service.call("POST", "/appraisal/v1/attest", bytes(raw), headers=JSON)
        assert answer.status == 400, (at, answer.status, text)
    assert "verifyd.fault" not in service.log_file.read_text()
    service.stop()


try:
    TLS = make_tls(STAGE.dir)
    SGX = STAGE.platform("sgx", "--vendor", STAGE.dir / "vendor")
    TDX = STAGE.platform("tdx", "--vendor", STAGE.dir / "vendor", "--tee", "tdx")
    STRANGER = STAGE.platform("stranger")
    tap.run(
        while_intel_is_slow_for_one_platform_others_are_answered_at_once,
        what_intel_does_not_tell_is_a_refusal_and_no_fault,
        a_platform_under_a_root_that_is_not_trusted_is_refused,
        more_than_may_wait_gets_503_and_uses_no_nonce,
        no_refusal_is_a_5xx,
    )
finally:
    STAGE.close()
