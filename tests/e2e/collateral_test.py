#!/usr/bin/env python3
"""`vouch collateral fetch` against a stand-in for Intel's service, whole and with faults.

usage: collateral_test.py PROGRAMS        Speaks TAP.
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import tap
from pcs_stand_in import StandIn, make_tls

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
SCRATCH = pathlib.Path(tempfile.mkdtemp(prefix="vouch-collateral-test-"))
TLS = make_tls(SCRATCH)
FILES = ["tcb_info.json", "tcb_info_issuer_chain.pem", "qe_identity.json",
         "qe_identity_issuer_chain.pem", "pck_crl.der", "root_ca_crl.der"]


def run(name, *words):
    return subprocess.run([PROGRAMS / name, *map(str, words)], capture_output=True, text=True,
                          timeout=60, check=False)


def platform(name, *more):
    made = run("vouch-sim", "platform", "create", SCRATCH / name, "--vendor", SCRATCH / "vendor", *more)
    assert made.returncode == 0, made.stderr
    return SCRATCH / name


def quote_of(where, *more):
    made = run("vouch-sim", "quote", "--platform", where, "--report-data", "00" * 64, *more)
    assert made.returncode == 0, made.stderr
    file = where / "quote.b64"
    file.write_text(made.stdout)
    return file


GOOD = platform("good")
TDX = platform("tdx", "--tee", "tdx")
OLD = platform("old", "--expired")
QUOTE = quote_of(GOOD)
QUOTE_TDX = quote_of(TDX, "--tee", "tdx")
FMSPC = json.loads((GOOD / "collateral/tcb_info.json").read_text())["tcbInfo"]["fmspc"]


class Scene:
    """One stand-in (or more) and a directory to fetch into."""

    def __init__(self, *platforms):
        self.services = [StandIn(p, TLS) for p in platforms or (GOOD,)]
        self.out = pathlib.Path(tempfile.mkdtemp(dir=SCRATCH)) / "out"

    def __enter__(self):
        return self

    def __exit__(self, *_why):
        for service in self.services:
            service.close()

    def fetch(self, *more, what=("--quote", QUOTE), ca=TLS[0]):
        urls = [word for s in self.services for word in ("--pccs", s.url)]
        return run("vouch", "collateral", "fetch", *what, "--out", self.out, *urls, "--tls-ca", ca, *more)

    def holds(self, where):
        for name in FILES:
            assert (self.out / name).read_bytes() == (where / "collateral" / name).read_bytes(), name

    def refused(self, done, text):
        assert done.returncode == 3, (done.returncode, done.stderr)
        assert text in done.stderr, done.stderr
        assert not self.out.exists(), "something was written"


def fault(word, change, text, *more):
    with Scene() as scene:
        scene.services[0].faults[word] = change
        scene.refused(scene.fetch(*more), text)


def a_quote_s_collateral_is_fetched_byte_for_byte_and_verifies_offline():
    with Scene() as scene:
        done = scene.fetch("--json")
        assert done.returncode == 0, done.stderr
        assert sorted(json.loads(done.stdout)["files"]) == sorted(FILES)
        scene.holds(GOOD)
    verdict = run("vouch", "quote", "verify", QUOTE, "--collateral-dir", scene.out, "--root",
                  GOOD / "root.pem", "--raw-verdict", "--json")
    assert json.loads(verdict.stdout)["result"] == "ok", verdict.stdout


def tdx_asks_the_tdx_paths_for_tcb_info_and_identity_and_the_sgx_paths_for_crls():
    with Scene(TDX) as scene:
        done = scene.fetch(what=("--quote", quote_of(TDX, "--tee", "tdx")))
        assert done.returncode == 0, done.stderr
        scene.holds(TDX)
        paths = [path for path, _query in scene.services[0].seen]
        assert paths == ["/tdx/certification/v4/tcb", "/tdx/certification/v4/qe/identity",
                         "/sgx/certification/v4/pckcrl", "/sgx/certification/v4/rootcacrl"], paths


def an_fmspc_a_tee_and_a_ca_do_without_a_quote():
    with Scene() as scene:
        done = scene.fetch("--update", "early", what=("--fmspc", FMSPC, "--tee", "sgx", "--ca", "processor"))
        assert done.returncode == 0, done.stderr
        queries = [query for _path, query in scene.services[0].seen]
        assert queries == [{"fmspc": FMSPC.lower(), "update": "early"}, {"update": "early"},
                           {"ca": "processor", "encoding": "der"}, {}], queries


def the_list_may_come_as_pem_or_as_hexadecimal_text():
    for form in "pem", "hex":
        with Scene() as scene:
            scene.services[0].crl_form = form
            assert scene.fetch().returncode == 0, form
            scene.holds(GOOD)


def the_next_service_is_asked_when_one_fails():
    with Scene(GOOD, GOOD) as scene:
        scene.services[0].faults["identity"] = lambda reply: reply.update(status=500)
        done = scene.fetch()
        assert done.returncode == 0, done.stderr
        assert len(scene.services[0].seen) == 2 and len(scene.services[1].seen) == 4


def a_slow_service_leaves_time_for_the_next():
    with Scene(GOOD, GOOD) as scene:
        gate = threading.Event()
        scene.services[0].faults["tcb"] = lambda reply: gate.wait(20)
        began = time.monotonic()
        done = scene.fetch("--deadline", "3")
        gate.set()
        assert done.returncode == 0 and time.monotonic() - began < 3, done.stderr


def a_slow_service_alone_ends_at_the_deadline():
    gate = threading.Event()
    began = time.monotonic()
    fault("tcb", lambda reply: gate.wait(20), "imed out", "--deadline", "1")
    gate.set()
    assert time.monotonic() - began < 5


def a_platform_that_is_not_known_is_said_so():
    fault("tcb", lambda reply: reply.update(status=404), "answered 404")


def a_service_that_asks_to_wait_is_asked_again_after_that_time():
    with Scene() as scene:
        times = []

        def busy(reply):
            times.append(time.monotonic())
            if len(times) == 1:
                reply.update(status=429, headers={"Retry-After": "1"})
        scene.services[0].faults["tcb"] = busy
        done = scene.fetch()
        assert done.returncode == 0, done.stderr
        assert len(times) == 2 and times[1] - times[0] >= 0.95, times


def a_wait_beyond_the_deadline_is_not_begun():
    began = time.monotonic()
    fault("tcb", lambda reply: reply.update(status=429, headers={"Retry-After": "3600"}), "after the deadline")
    assert time.monotonic() - began < 10


def a_chain_of_another_purpose_is_refused():
    def swap(reply):
        reply["headers"] = {"TCB-Info-Issuer-Chain": (GOOD / "pck_chain.pem").read_text().replace("\n", "%0A")}
    fault("tcb", swap, "issuer chain")


def a_missing_chain_is_refused():
    fault("identity", lambda reply: reply.update(headers={}), "no issuer chain")


def a_body_cut_short_is_refused():
    fault("tcb", lambda reply: reply.update(announce=len(reply["body"]), body=reply["body"][:-7]), "fetching",
          "--deadline", "2")


def a_document_cut_short_is_refused():
    fault("tcb", lambda reply: reply.update(body=reply["body"][:-7]), "tcbInfo")


def a_changed_document_is_refused():
    def change(reply):
        reply["body"] = reply["body"].replace(b'"tcbEvaluationDataNumber":', b'"tcbEvaluationDataNumber":9')
    fault("tcb", change, "signature")


def an_oversized_body_is_refused():
    fault("tcb", lambda reply: reply.update(body=b" " * (300 << 10) + reply["body"]), "exceeds")


def stale_data_is_refused():
    with Scene(OLD) as scene:
        scene.refused(scene.fetch(), "stale")


def data_of_another_kind_of_platform_is_refused():
    with Scene(TDX) as scene:
        scene.refused(scene.fetch(), "another")


def what_was_seen_is_never_replaced_by_something_older():
    newer = SCRATCH / "newer"
    time.sleep(1.1)  # issue dates count seconds
    if not newer.exists():
        platform("newer")
    issued = [json.loads((p / "collateral/tcb_info.json").read_text())["tcbInfo"]["issueDate"]
              for p in (GOOD, newer)]
    assert issued[0] < issued[1], issued
    with Scene(newer) as scene:
        assert scene.fetch().returncode == 0
        before = scene.services
        scene.services = [StandIn(GOOD, TLS)]
        done = scene.fetch()
        assert done.returncode == 3 and "older than seen before" in done.stderr, done.stderr
        scene.holds(newer)
        scene.services += before


def a_service_with_an_unknown_tls_certificate_is_refused():
    other = SCRATCH / "other"
    other.mkdir()
    with Scene() as scene:
        scene.refused(scene.fetch(ca=make_tls(other)[0]), "certificate")


def a_file_that_is_no_quote_is_refused():
    wrong = SCRATCH / "wrong"
    wrong.write_bytes(bytes(2000))
    with Scene() as scene:
        scene.refused(scene.fetch(what=("--quote", wrong)), "quote")
        assert not scene.services[0].seen, "a service was asked"


def a_bundle_holds_every_family_and_serves_offline_revocation_included():
    with Scene(GOOD) as scene:
        scene.out = scene.out.with_suffix(".bundle")
        assert scene.fetch().returncode == 0
        assert not run("vouch", "quote", "verify", QUOTE_TDX, "--collateral-dir", scene.out, "--root",
                       GOOD / "root.pem", "--raw-verdict").returncode == 0, "a family that is not in it"
        scene.services.append(StandIn(TDX, TLS))
        scene.services[0].faults = {word: lambda reply: reply.update(status=404) for word in ("tcb", "identity")}
        done = scene.fetch("--json", what=("--quote", QUOTE_TDX))
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"bundle": str(scene.out), "families": [FMSPC + "-sgx", FMSPC + "-tdx"]}
    for quote in (QUOTE, QUOTE_TDX):
        done = run("vouch", "quote", "verify", quote, "--collateral-dir", scene.out, "--root", GOOD / "root.pem",
                   "--raw-verdict", "--json")
        assert json.loads(done.stdout)["result"] == "ok", done.stdout
    revoked = platform("revoked", "--revoke", "pck")
    with Scene(revoked) as scene:
        scene.out = scene.out.with_suffix(".bundle")
        quote = quote_of(revoked)
        assert scene.fetch(what=("--quote", quote)).returncode == 0
    done = run("vouch", "quote", "verify", quote, "--collateral-dir", scene.out, "--root", revoked / "root.pem",
               "--raw-verdict", "--json")
    assert done.returncode == 1 and "revoked" in done.stdout, done.stdout


def what_a_bundle_holds_is_never_replaced_by_something_older():
    with Scene(platform("newest")) as scene:
        scene.out = scene.out.with_suffix(".bundle")
        assert scene.fetch().returncode == 0
        before = scene.out.read_bytes()
        scene.services.append(StandIn(GOOD, TLS))
        scene.services[0].faults["tcb"] = lambda reply: reply.update(status=404)
        done = scene.fetch()
        assert done.returncode == 3 and "older than seen before" in done.stderr, done.stderr
        assert scene.out.read_bytes() == before


def a_damaged_bundle_is_named_and_left_alone():
    with Scene() as scene:
        scene.out = scene.out.with_suffix(".bundle")
        assert scene.fetch().returncode == 0
        whole = scene.out.read_text()
        for text in (whole[:-9], whole.replace('"tcb_info.json"', '"tcb_infos.json"'), "", "{}",
                     whole.replace('"vouch_collateral": 1', '"vouch_collateral": 2')):
            scene.out.write_text(text)
            done = run("vouch", "quote", "verify", QUOTE, "--collateral-dir", scene.out, "--root", GOOD / "root.pem",
                       "--json")
            assert done.returncode in (1, 3) and json.loads(done.stdout)["result"] == "reject", done.stdout
            done = scene.fetch()
            assert done.returncode == 3 and str(scene.out) in done.stderr, (done.returncode, done.stderr)
            assert scene.out.read_text() == text


def a_pck_chain_that_the_quotes_lack_is_kept_with_the_collateral():
    chain = GOOD / "pck_chain.pem"
    with Scene() as scene:
        done = scene.fetch("--pck-chain", chain, what=("--fmspc", FMSPC, "--tee", "sgx"))
        assert done.returncode == 0, done.stderr
        assert (scene.out / "pck_chain.pem").read_bytes() == chain.read_bytes()
        done = scene.fetch("--pck-chain", chain, what=("--fmspc", "00" * 6, "--tee", "sgx"))
        assert done.returncode == 2 and "another FMSPC" in done.stderr, (done.returncode, done.stderr)


def words_that_do_not_fit_together_are_usage():
    with Scene() as scene:
        for what in ((), ("--fmspc", FMSPC), ("--fmspc", "12", "--tee", "sgx"),
                     ("--quote", QUOTE, "--fmspc", FMSPC), ("--quote", QUOTE, "--tee", "sgx")):
            assert scene.fetch(what=what).returncode == 2, what


try:
    tap.run(a_quote_s_collateral_is_fetched_byte_for_byte_and_verifies_offline,
            tdx_asks_the_tdx_paths_for_tcb_info_and_identity_and_the_sgx_paths_for_crls,
            an_fmspc_a_tee_and_a_ca_do_without_a_quote, the_list_may_come_as_pem_or_as_hexadecimal_text,
            the_next_service_is_asked_when_one_fails, a_slow_service_leaves_time_for_the_next,
            a_slow_service_alone_ends_at_the_deadline, a_platform_that_is_not_known_is_said_so,
            a_service_that_asks_to_wait_is_asked_again_after_that_time,
            a_wait_beyond_the_deadline_is_not_begun, a_chain_of_another_purpose_is_refused,
            a_missing_chain_is_refused, a_body_cut_short_is_refused, a_document_cut_short_is_refused,
            a_changed_document_is_refused, an_oversized_body_is_refused, stale_data_is_refused,
            data_of_another_kind_of_platform_is_refused,
            what_was_seen_is_never_replaced_by_something_older,
            a_service_with_an_unknown_tls_certificate_is_refused, a_file_that_is_no_quote_is_refused,
            a_bundle_holds_every_family_and_serves_offline_revocation_included,
            what_a_bundle_holds_is_never_replaced_by_something_older, a_damaged_bundle_is_named_and_left_alone,
            a_pck_chain_that_the_quotes_lack_is_kept_with_the_collateral,
            words_that_do_not_fit_together_are_usage)
finally:
    shutil.rmtree(SCRATCH, ignore_errors=True)
