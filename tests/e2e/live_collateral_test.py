#!/usr/bin/env python3
"""Collateral from services in long-running processes: a federation and a verifier over stand-ins with faults.

usage: live_collateral_test.py DIRECTORY-OF-PROGRAMS
"""
import hashlib
import json
import pathlib
import shutil
import sys
import tempfile
import threading
import time

import tap
from federation import (
    Process, Site, attestation_yaml, certificate_digest, certificate_of, make_sites, new_federation_id,
    spki_digest)
from ports import free_port
from pcs_stand_in import StandIn, make_tls
from verifyd_service import Stage

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-live-"))
TLS = make_tls(STAGE)
TEE = {"localhost": "sgx", "col1": "sgx", "col2": "tdx"}
COLLABORATORS = ("col1", "col2")
LOG = ("--log-format", "json", "--log-level", "info")
SITES = {}
SERVICES = {}


def sites_and_services_are_made():
    desk = Site(STAGE / "desk", PROGRAMS)
    for name, tee in TEE.items():
        desk.run("vouch-sim", "platform", "create", STAGE / f"platform-{name}", "--vendor", STAGE / "vendor", "--tee", tee)
    measured = json.loads(desk.run("vouch-sim", "measure", "--json", "--", PROGRAMS / "vouch"))
    SITES["measured"] = [{"mrenclave": measured["mrenclave"]}, {"mrtd": measured["mrtd"]}]
    SITES.update(make_sites(STAGE, PROGRAMS, COLLABORATORS, 1, free_port()))
    SERVICES["broken"] = StandIn(STAGE / "platform-col1", TLS)
    for word in ("tcb", "identity", "pckcrl", "rootcacrl"):
        SERVICES["broken"].faults[word] = lambda reply: reply.update(status=404)
    SERVICES["good"] = StandIn(STAGE / "platform-col1", TLS)
    SERVICES["good"].others["/tdx/"] = STAGE / "platform-col2"


def write_attestation():
    federation = {
        "id": new_federation_id(), "from": "2020-01-01T00:00:00Z", "enable": {"aggregator": True, "collaborator": True},
        "initial_model": hashlib.sha256((SITES["localhost"] / "save/init.pbuf").read_bytes()).hexdigest(),
        "participants": [{"name": n, "role": "aggregator" if n == "localhost" else "collaborator",
                          "enrolment": spki_digest(SITES[n] / f"cert/{certificate_of(n)}.crt")} for n in TEE],
        "measurements": {"aggregator": SITES["measured"], "collaborator": SITES["measured"]},
        "tcb": {"accept": ["UpToDate"]}, "token": "off", "channel": "key",
        "roots": [certificate_digest(STAGE / "platform-col1/root.pem")],
        "model_export": "clear", "certificate_life_h": 24, "reattest_min": 60}
    for name in TEE:
        local = {"collateral": {"pccs": [SERVICES["broken"].url, SERVICES["good"].url], "ca": str(TLS[0])},
                 "enrolment": {"cert": f"cert/{certificate_of(name)}.crt", "key": f"cert/{certificate_of(name)}.key"}}
        (SITES[name] / "plan/attestation.yaml").write_text(attestation_yaml(federation, local))


def start(name):
    words = ["aggregator", "start"] if name == "localhost" else ["collaborator", "start", "-n", name]
    reports = str(SITES[name] / "reports")
    return Process([PROGRAMS / "vouch-sim", "run", "--platform", STAGE / f"platform-{name}", "--gramine-limits", "--",
                    PROGRAMS / "vouch", *words, *LOG], SITES[name].directory, STAGE / f"{name}.log",
                   {"ATTESTATION_REPORT_PATH": reports, "ROOT_CERT_PATH": reports})


def run_federation(while_it_runs=lambda agg: None):
    write_attestation()
    with start("localhost") as agg:
        agg.event("aggregator.listening")
        with start("col1") as one, start("col2") as two:
            while_it_runs(agg)
            for process in (one, two, agg):
                assert process.wait(90) == 0, process.tail()
        return agg.events("collateral.fetched"), {one: one.events("collateral.fetched"), two: two.events("collateral.fetched")}


def stores():
    return [SITES[name] / "save/collateral.db" for name in TEE]


def every_participant_fetches_each_platform_family_once_from_the_service_that_answers():
    SERVICES["good"].seen.clear()
    agg, others = run_federation()
    assert sorted(e["family"] for e in agg) == ["53494d000000-sgx-platform", "53494d000000-tdx-platform"], agg
    assert sorted(len(found) for found in others.values()) == [1, 2], others  # col1's family is the aggregator's
    asked = [path for path, _query in SERVICES["good"].seen if path.endswith("/tcb")]
    assert len(asked) == 5 and asked.count("/tdx/certification/v4/tcb") == 2, asked
    assert all(store.exists() for store in stores())


def a_restart_needs_no_service():
    before = SERVICES.copy()
    for service in before.values():
        service.close()
    agg, others = run_federation()
    assert agg == [] and not any(others.values()), (agg, others)


def without_store_and_service_the_start_says_what_it_could_not_find_out():
    for store in stores():
        store.unlink()
    write_attestation()
    with start("localhost") as agg:
        assert agg.wait(90) == 3, agg.tail()
        assert "collateral of 53494d000000-sgx-platform" in agg.tail(), agg.tail()


def a_slow_service_for_one_platform_does_not_hold_up_another():
    gate = threading.Event()
    SERVICES["broken"] = StandIn(STAGE / "platform-col1", TLS)
    SERVICES["broken"].faults["tcb"] = lambda reply: reply.update(status=404)
    SERVICES["good"] = StandIn(STAGE / "platform-col1", TLS)
    SERVICES["good"].others["/tdx/"] = STAGE / "platform-col2"
    asked = []

    def slow(reply):
        if reply["path"].startswith("/tdx/"):
            asked.append(time.monotonic())
            if len(asked) > 1:  # the first is col2 itself, which learns of its own platform
                gate.wait(60)
    SERVICES["good"].faults["tcb"] = slow

    def while_it_runs(agg):
        agg.event("admission.admitted", name="col1", seconds=60)
        assert not [e for e in agg.events("admission.admitted") if e["name"] == "col2"]
        gate.set()
        agg.event("admission.admitted", name="col2", seconds=60)
    run_federation(while_it_runs)
    assert len(asked) == 2, asked


def a_damaged_store_is_said_and_fetched_anew():
    store = SITES["localhost"] / "save/collateral.db"
    store.write_bytes(b"junk" * 2000)
    agg, _others = run_federation()
    log = (STAGE / "localhost.log").read_text()
    assert "collateral.store_damaged" in log and len(agg) == 2, log
    assert store.with_name("collateral.db.damaged").read_bytes().startswith(b"junk")


def ask_for_token(service, stage, platform):
    return service.attest({"quote": stage.quote(platform, "00" * 64)})


def the_verifier_fetches_what_it_meets_and_others_do_not_wait():
    stage = Stage(PROGRAMS)
    gate = threading.Event()
    try:
        sgx, tdx = STAGE / "platform-col1", STAGE / "platform-col2"
        stage.tdx.add(tdx)
        service = stage.service("main", sgx)
        service.stop()
        config = pathlib.Path(service.made["config"])
        kept = config.read_text()
        begin = kept.index("collateral:\n  dir: ")
        end = kept.index("\n", begin + 13)
        config.write_text(f"{kept[:begin]}collateral: {{pccs: ['{SERVICES['good'].url}'], ca: '{TLS[0]}', "
                          f"store: collateral.db}}{kept[end:]}")
        SERVICES["good"].faults["tcb"] = lambda reply: reply["path"].startswith("/tdx/") and gate.wait(60)
        service.start()
        late = []
        waiter = threading.Thread(target=lambda: late.append(ask_for_token(service, stage, tdx)))
        waiter.start()
        for _ in range(3):
            status, body = ask_for_token(service, stage, sgx)
            assert status == 200, body
        assert waiter.is_alive() and not late
        gate.set()
        waiter.join(30)
        assert late and late[0][0] == 200, late
        assert service.stop() == 0
        SERVICES["good"].close()
        service.start()
        assert ask_for_token(service, stage, tdx)[0] == 200  # out of the store
        assert (config.parent / "collateral.db").exists()
    finally:
        gate.set()
        stage.close()


try:
    tap.run(sites_and_services_are_made,
            every_participant_fetches_each_platform_family_once_from_the_service_that_answers,
            a_restart_needs_no_service, without_store_and_service_the_start_says_what_it_could_not_find_out,
            a_slow_service_for_one_platform_does_not_hold_up_another, a_damaged_store_is_said_and_fetched_anew,
            the_verifier_fetches_what_it_meets_and_others_do_not_wait)
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
