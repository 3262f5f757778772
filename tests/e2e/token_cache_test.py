#!/usr/bin/env python3
"""`vouch token verify` with key sets and CRLs that were kept: usage token_cache_test.py DIRECTORY-OF-PROGRAMS"""
import hashlib
import http.server
import json
import os
import pathlib
import ssl
import subprocess
import sys
import threading
import time

import pcs_stand_in
import tap
from verifyd_service import Stage, b64, report_data

STAGE = Stage(sys.argv[1])
HELD = b"\xa1 claims"


class KeyServer:
    """Serves one key set at /certs and counts who asks."""

    def __init__(self):
        self.jwks, self.asked = b"", 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked += 1
                self.send_response(200)
                self.send_header("Content-Length", str(len(outer.jwks)))
                self.end_headers()
                self.wfile.write(outer.jwks)

            def log_message(self, *_words):
                pass

        self.ca, key = pcs_stand_in.make_tls(STAGE.dir)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}/certs"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def token_from(service):
    nonce = service.nonce()
    status, body = service.attest({"quote": STAGE.quote(SGX, report_data(nonce, HELD)), "verifier_nonce": nonce,
                                   "runtime_data": b64(HELD)})
    assert status == 200, body
    path = STAGE.dir / f"{nonce['signature'][:8].replace('/', '_')}.jwt"
    path.write_text(body["token"])
    return path


def verify(token, service, *more, cache=None, jwks=None, ca=None):
    """(exit status, the verdict)"""
    words = ["token", "verify", token, "--jwks", jwks or service.made["base_url"] + "/certs", "--root",
             service.made["token_root"], "--policy", POLICY, "--json", "--ca", ca or service.made["tls_ca"], *more]
    done = STAGE.program("vouch", *words, *(["--cache", cache] if cache else []))
    assert done.returncode in (0, 1, 3), done
    return done.returncode, json.loads(done.stdout)


def place(cache, url):
    return cache / hashlib.sha256(url.encode()).hexdigest()


def keep(cache, url, data):
    """As the program writes it."""
    rest = f"{url}\n{int(time.time()):012d}\n".encode() + data
    place(cache, url).write_bytes(hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)


def urls(service):
    base = service.made["base_url"]
    return [base + "/certs", base + "/crl/root-ca-crl.der", base + "/crl/ats-ca-crl.der"]


def a_token_is_verified_without_the_service_from_what_was_kept():
    service = STAGE.service("kept", SGX)
    token, cache = token_from(service), STAGE.dir / "cache" / "of its own"
    assert verify(token, service, "--offline", cache=cache)[0] == 3  # nothing was kept yet
    assert verify(token, service, cache=cache)[0] == 0
    assert sorted(cache.iterdir()) == sorted(place(cache, url) for url in urls(service))
    service.stop()
    for more in ((), ("--offline",)):
        status, verdict = verify(token, service, *more, cache=cache)
        assert status == 0 and verdict["revocation_checked"], verdict
    for words in (dict(cache=STAGE.dir / "another"), dict()):
        status, verdict = verify(token, service, **words)
        assert status == 3 and verdict["reasons"][0]["step"] == "input", verdict
    status, verdict = verify(token, service, "--no-cache", cache=cache)
    assert status == 3, verdict
    done = STAGE.program("vouch", "token", "verify", token, "--jwks", "http://127.0.0.1/certs")
    assert done.returncode == 2 and "https://" in done.stderr, done
    service.start()
    status, verdict = verify(token, service, "--no-cache", ca=OTHER.made["tls_ca"])  # of somebody else
    assert status == 3 and "certificate" in verdict["reasons"][0]["message"], verdict
    service.stop()


def without_an_option_it_is_in_the_users_cache():
    service = STAGE.service("default", SGX)
    token = token_from(service)
    assert verify(token, service, "--no-cache")[0] == 0
    home = pathlib.Path(os.environ["XDG_CACHE_HOME"]) / "vouch"
    assert not place(home, urls(service)[0]).exists()
    assert verify(token, service)[0] == 0
    assert all(place(home, url).exists() for url in urls(service))
    service.stop()
    assert verify(token, service)[0] == 0


def what_is_kept_for_long_is_asked_for_anew_and_used_where_nobody_answers():
    token, cache = token_from(S), STAGE.dir / "old"
    assert verify(token, S, cache=cache)[0] == 0
    url = urls(S)[0]
    rest = place(cache, url).read_bytes().split(b"\n", 1)[1]
    aged = rest.replace(rest.split(b"\n")[1], f"{int(time.time()) - 3601:012d}".encode(), 1)
    aged = hashlib.sha256(aged).hexdigest().encode() + b"\n" + aged
    place(cache, url).write_bytes(aged)
    S.stop()
    done = STAGE.program("vouch", "token", "verify", token, "--jwks", url, "--ca", S.made["tls_ca"], "--root",
                         S.made["token_root"], "--policy", POLICY, "--cache", cache)
    S.start()
    assert done.returncode == 0 and "token.issuer_unreachable" in done.stderr, done
    assert place(cache, url).read_bytes() == aged
    assert verify(token, S, cache=cache)[0] == 0
    assert place(cache, url).read_bytes() != aged


def a_damaged_cache_is_ignored_and_replaced():
    token, cache = token_from(S), STAGE.dir / "damaged"
    assert verify(token, S, cache=cache)[0] == 0
    for url in urls(S):
        whole = place(cache, url).read_bytes()
        for data in (b"", whole[:-1], whole[:200], whole[:-1] + bytes([whole[-1] ^ 1]), b"junk" * 1000):
            place(cache, url).write_bytes(data)
            assert verify(token, S, "--offline", cache=cache)[0] == 3
            assert verify(token, S, cache=cache)[0] == 0
            assert verify(token, S, "--offline", cache=cache)[0] == 0
    place(cache, urls(S)[0]).unlink()
    place(cache, urls(S)[0]).mkdir()  # it can be neither read nor replaced
    assert verify(token, S, cache=cache)[0] == 0


def what_somebody_put_there_is_judged_like_anything_fetched():
    foreign, cache = token_from(OTHER), STAGE.dir / "poisoned"
    own = token_from(S)
    assert verify(own, S, cache=cache)[0] == 0
    theirs = [OTHER.call("GET", path, key=None)[1] for path in ("/certs", "/crl/root-ca-crl.der", "/crl/ats-ca-crl.der")]
    for url, data in zip(urls(S) + urls(OTHER), theirs + theirs):
        keep(cache, url, data)
    # their token with their keys under our issuer's address: the root is not the pinned one
    for more in ((), ("--offline",)):
        status, verdict = verify(foreign, S, *more, cache=cache)
        assert status == 1 and verdict["reasons"][0]["step"] == "chain", verdict
        for url, data in zip(urls(S), theirs):
            keep(cache, url, data)
    # ours is refused for want of its key as long as nobody can be asked, and admitted as soon as somebody can
    status, verdict = verify(own, S, "--offline", cache=cache)
    assert status == 1 and verdict["reasons"][0]["code"] == "key_unknown", verdict
    assert verify(own, S, cache=cache)[0] == 0
    # CRLs of others do not stand in for ours
    for url, data in zip(urls(S)[1:], theirs[1:]):
        keep(cache, url, data)
    status, verdict = verify(own, S, "--offline", cache=cache)
    assert status == 1 and verdict["reasons"][0]["code"] == "revoked", verdict
    assert verify(own, S, cache=cache)[0] == 0


def an_unknown_kid_fetches_once_and_no_other_fault_does():
    server, cache = KeyServer(), STAGE.dir / "counted"
    own, foreign = token_from(S), token_from(OTHER)
    ask = lambda token, *more: verify(token, S, *more, cache=cache, jwks=server.url, ca=ALL_CAS)
    ALL_CAS.write_bytes(b"".join(pathlib.Path(ca).read_bytes()
                                 for ca in (S.made["tls_ca"], OTHER.made["tls_ca"], server.ca)))
    server.jwks = OTHER.call("GET", "/certs", key=None)[1]
    status, verdict = ask(own)
    assert status == 1 and verdict["reasons"][0]["code"] == "key_unknown" and server.asked == 1, verdict
    server.jwks = S.call("GET", "/certs", key=None)[1]  # as after a rotation
    status, verdict = ask(own, "--issuer", S.made["base_url"])
    assert status == 0 and server.asked == 2, verdict
    assert ask(own)[0] == 0 and server.asked == 2
    status, verdict = ask(foreign)
    assert status == 1 and verdict["reasons"][0]["code"] == "key_unknown" and server.asked == 3, verdict
    assert ask(own, "--at", str(int(time.time()) + 900))[0] == 1 and server.asked == 3  # expired
    own.write_text(own.read_text()[:-8] + "AAAAAAAA")
    assert ask(own)[1]["reasons"][0]["code"] == "signature" and server.asked == 3
    own.write_text("junk")
    assert ask(own)[0] == 1 and server.asked == 3
    status, verdict = ask(foreign, "--offline")
    assert status == 1 and server.asked == 3, verdict


def a_crl_past_its_end_is_fetched():
    token, cache = token_from(S), STAGE.dir / "stale-crl"
    assert verify(token, S, cache=cache)[0] == 0
    beyond = str(int(time.time()) + 40 * 86400)  # CRLs hold for 30 days; so do neither the token nor the fresh one
    before = [place(cache, url).stat().st_ino for url in urls(S)]
    assert verify(token, S, "--at", beyond, cache=cache)[1]["reasons"][0]["code"] == "revoked"
    assert place(cache, urls(S)[1]).stat().st_ino == before[1]  # what does not hold is not kept
    S.stop()
    status, verdict = verify(token, S, "--at", beyond, cache=cache)
    S.start()
    assert status == 3, verdict  # not passed over
    assert verify(token, S, "--offline", "--at", beyond, cache=cache)[1]["reasons"][0]["code"] == "revoked"


def many_at_once_share_a_cache():
    token, cache = token_from(S), STAGE.dir / "shared"
    words = [STAGE.programs / "vouch", "token", "verify", token, "--jwks", urls(S)[0], "--ca", S.made["tls_ca"],
             "--root", S.made["token_root"], "--policy", POLICY, "--cache", cache]
    running = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(8)]
    for one in running:
        text, _ = one.communicate(timeout=60)
        assert one.returncode == 0, text
    assert len(list(cache.iterdir())) == 3


try:
    SGX = STAGE.platform("sgx")
    POLICY = STAGE.policy("match", SGX)
    ALL_CAS = STAGE.dir / "tls-roots.pem"
    S, OTHER = STAGE.service("one", SGX), STAGE.service("other", SGX)
    tap.run(
        a_token_is_verified_without_the_service_from_what_was_kept,
        without_an_option_it_is_in_the_users_cache,
        what_is_kept_for_long_is_asked_for_anew_and_used_where_nobody_answers,
        a_damaged_cache_is_ignored_and_replaced,
        what_somebody_put_there_is_judged_like_anything_fetched,
        an_unknown_kid_fetches_once_and_no_other_fault_does,
        a_crl_past_its_end_is_fetched,
        many_at_once_share_a_cache,
    )
finally:
    STAGE.close()
