#!/usr/bin/env python3
"""The four combinations of the two enable flags, on simulated platforms.

usage: attested_federation_test.py DIRECTORY-OF-PROGRAMS
"""
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import tap
from federation import (
    AGGREGATOR, Process, Site, attestation_yaml, certificate_digest, certificate_of, make_sites,
    new_federation_id, spki_digest)
from ports import free_port

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-attested-"))
NAMES = ("col1", "col2")
ALL = (AGGREGATOR,) + NAMES
LOG = ("--log-format", "json", "--log-level", "info")
ENV = {"sites": {}}


def make_platforms_and_verifier():
    desk = ENV["desk"] = Site(STAGE / "desk", PROGRAMS)
    for name in ALL:
        desk.run("vouch-sim", "platform", "create", STAGE / f"platform-{name}", "--vendor", STAGE / "vendor")
    ENV["verifier"] = desk.ask(
        "vouch-verifyd", "init", STAGE / "verifier", "--host", "127.0.0.1", "--listen", f"127.0.0.1:{free_port()}",
        "--root", STAGE / f"platform-{AGGREGATOR}/root.pem", "--collateral-dir",
        STAGE / f"platform-{AGGREGATOR}/collateral")
    ENV["measurement"] = json.loads(desk.run("vouch-sim", "measure", "--json", "--", PROGRAMS / "vouch"))["mrenclave"]


def platforms_a_verifier_and_sites_are_made():
    make_platforms_and_verifier()
    ENV["port"] = free_port()
    ENV["sites"] = make_sites(STAGE, PROGRAMS, NAMES, 2, ENV["port"])


def write_attestation(aggregator, collaborator, **changes):
    sites, verifier = ENV["sites"], ENV["verifier"]
    enabled = {"aggregator": aggregator, "collaborator": collaborator}
    federation = {
        "id": new_federation_id(), "from": "2020-01-01T00:00:00Z", "enable": enabled,
        "initial_model": hashlib.sha256((sites[AGGREGATOR] / "save/init.pbuf").read_bytes()).hexdigest(),
        "participants": [{"name": n, "role": "aggregator" if n == AGGREGATOR else "collaborator",
                          "enrolment": spki_digest(sites[n] / f"cert/{certificate_of(n)}.crt")} for n in ALL],
        "measurements": {role: [{"mrenclave": ENV["measurement"]}] for role, on in enabled.items() if on},
        "tcb": {"accept": ["UpToDate"]}, "token": "required",
        "token_issuers": [{"base_url": verifier["base_url"], "root": certificate_digest(verifier["token_root"])}],
        "channel": "key", "roots": [certificate_digest(STAGE / f"platform-{AGGREGATOR}/root.pem")],
        "model_export": "clear", "certificate_life_h": 24, "reattest_min": 60, **changes}
    for name in ALL:
        local = {"collateral": {"dir": str(STAGE / f"platform-{name}/collateral")},
                 "verifier": {"url": verifier["base_url"], "ca": verifier["tls_ca"]},
                 "enrolment": {"cert": f"cert/{certificate_of(name)}.crt", "key": f"cert/{certificate_of(name)}.key"}}
        (sites[name] / "plan/attestation.yaml").write_text(attestation_yaml(federation, local))


def start(name, attested, label):
    site = ENV["sites"][name]
    reports = str(site / f"reports-{label}")
    environment = {"ITA_API_KEY": pathlib.Path(ENV["verifier"]["api_key_file"]).read_text().strip(),
                   "ATTESTATION_REPORT_PATH": reports, "ROOT_CERT_PATH": reports}
    words = ["aggregator", "start"] if name == AGGREGATOR else ["collaborator", "start", "-n", name]
    tee = [PROGRAMS / "vouch-sim", "run", "--platform", STAGE / f"platform-{name}", "--gramine-limits",
           "--"] if attested else []
    return Process([*tee, PROGRAMS / "vouch", *words, *LOG], site.directory, STAGE / f"{label}-{name}.log",
                   environment)


def play(aggregator, collaborator):
    label = f"{aggregator}-{collaborator}"
    write_attestation(aggregator, collaborator)
    config = ENV["verifier"]["config"]
    with Process([PROGRAMS / "vouch-verifyd", "--config", config, *LOG], STAGE, STAGE / "verifier.log") as verifier:
        verifier.event("verifyd.listening")
        with start(AGGREGATOR, aggregator, label) as agg:
            agg.event("aggregator.listening")
            with start("col1", collaborator, label) as one, start("col2", collaborator, label) as two:
                for process in (one, two):
                    assert process.wait(60) == 0, process.tail()
                assert agg.wait(60) == 0, agg.tail()
        assert len(agg.events("round.finished")) == 2
        for name in NAMES:
            verdict = agg.event("admission.admitted", name=name)
            check(verdict, collaborator)
        for process in (one, two):
            verdict = process.event("admission.admitted")
            check(verdict, aggregator)
    reports = ENV["sites"][AGGREGATOR] / f"reports-{label}"
    assert (reports / f"{AGGREGATOR}_passport.json").exists() == aggregator
    assert (reports / f"{AGGREGATOR}_root.pem").exists() == aggregator
    assert (ENV["sites"]["col1"] / f"reports-{label}/col1_passport.json").exists() == collaborator


def check(verdict, attested):
    assert verdict["attested"] == verdict["simulated"] == verdict["token"] == attested, verdict
    assert verdict["measurement"] == (ENV["measurement"] if attested else ""), verdict


def both_are_attested():
    play(True, True)


def only_the_aggregator_is_attested():
    play(True, False)


def only_the_collaborators_are_attested():
    play(False, True)


def nobody_is_attested():
    play(False, False)


def tensor_pieces(path, header=0):
    """Every 32nd 16-byte piece of a file of float32 values: what must be found nowhere else."""
    content = path.read_bytes()[header:]
    pieces = {content[at:at + 16] for at in range(64, len(content) - 16, 32)}
    return {p for p in pieces if len(set(p)) > 8}


class Loopback(threading.Thread):
    """Everything that passes the loopback interface with that port in it; needs a packet socket."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind(("lo", 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self.socket.settimeout(0.2)
        self.port, self.seen, self.over = port, bytearray(), False

    def run(self):
        while not self.over:
            try:
                packet = self.socket.recv(1 << 17)
            except TimeoutError:
                continue
            if self.port.to_bytes(2, "big") in packet[34:58]:
                self.seen += packet

    def stop(self):
        self.over = True
        self.join()
        self.socket.close()
        return bytes(self.seen)


def metrics_of(site):
    lines = (site / "logs/aggregator_metrics.jsonl").read_text().splitlines()
    return sorted(set(lines))


def kill_whole(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.child.pid, signal.SIGKILL)
    process.child.wait()


def known_tensors():
    """An update and a model of this very plan and data, out of a federation in clear that is killed."""
    write_attestation(False, False)
    agg_site = ENV["sites"][AGGREGATOR]
    with start(AGGREGATOR, False, "clear") as agg, start("col1", False, "clear") as one:
        agg.event("result.taken", collaborator="col1", task="train")
        kill_whole(agg)
        kill_whole(one)
    spool = next(p for p in (agg_site / "state").rglob("spool-*") if not p.name.endswith(".tmp"))
    known = tensor_pieces(spool, header=96)
    init = (agg_site / "save/init.pbuf").read_bytes()  # everybody may know where training starts
    known = {piece for piece in known if piece not in init}
    assert len(known) > 100, len(known)
    shutil.rmtree(agg_site / "state")
    shutil.rmtree(ENV["sites"]["col1"] / "state")
    return known


def found_in(content, known):
    """How many of the pieces stand in it, at any place."""
    return sum(piece in content for piece in known)


def an_attested_federation_that_is_killed_goes_on_and_its_tensors_are_nowhere():
    known = known_tensors()
    agg_site = ENV["sites"][AGGREGATOR]
    write_attestation(True, True)
    config = ENV["verifier"]["config"]
    for name in ("logs/aggregator_metrics.jsonl", "save/final.pbuf", "save/best.pbuf", "save/last.pbuf"):
        (agg_site / name).unlink(missing_ok=True)
    capture = Loopback(ENV["port"])
    capture.start()
    with Process([PROGRAMS / "vouch-verifyd", "--config", config, *LOG], STAGE, STAGE / "verifier.log") as verifier:
        verifier.event("verifyd.listening")
        write_attestation(True, True, model_export="none")
        with start(AGGREGATOR, True, "sealed") as agg, start("col1", True, "sealed") as one:
            agg.event("result.taken", collaborator="col1", task="train")
            kill_whole(agg)
            kill_whole(one)
        # what lies there now is what a host sees at its leisure
        at_rest = {p: p.read_bytes() for site in ENV["sites"].values() for p in site.directory.rglob("*")
                   if p.is_file()}
        with start(AGGREGATOR, True, "unsealed") as agg, start("col1", True, "unsealed") as one, \
                start("col2", True, "unsealed") as two:
            resumed = agg.event("federation.resumed")
            for process in (one, two):
                assert process.wait(90) == 0, process.tail()
            assert agg.wait(60) == 0, agg.tail()
    traffic = capture.stop()
    assert resumed["round"] == 0, resumed
    # what was taken before the kill was not sent again, and col1 did not train again
    assert not [e for e in agg.events("result.taken") if (e["collaborator"], e["task"], e["round"]) ==
                ("col1", "train", 0)], agg.tail()
    assert not [e for e in one.events("task.done") if (e["task"], e["round"]) == ("train", 0)], one.tail()
    assert any("spool-" in p.name for p in at_rest) and any("result-" in p.name for p in at_rest), list(at_rest)
    for path, content in at_rest.items():
        assert found_in(content, known) == 0, path
    for path in [p for p in STAGE.rglob("*") if p.is_file()]:
        assert found_in(path.read_bytes(), known) == 0, path
    assert not [p for p in STAGE.rglob("core*") if p.is_file()]
    assert len(traffic) > 100000 and found_in(traffic, known) == 0, len(traffic)
    ENV["metrics"], ENV["known"] = metrics_of(agg_site), known


def the_same_federation_undisturbed_has_the_same_numbers():
    (ENV["sites"][AGGREGATOR] / "logs/aggregator_metrics.jsonl").unlink()
    play(True, True)
    assert metrics_of(ENV["sites"][AGGREGATOR]) == ENV["metrics"]
    # and the search would have found a tensor: here is one in clear
    clear = STAGE / "clear"
    clear.write_bytes(b"x" * 7 + next(iter(ENV["known"])))
    assert found_in(clear.read_bytes(), ENV["known"]) == 1


def nothing_served_comes_from_a_clear_file():
    """The host overwrites the models that it may read while rounds run: nobody is served one of them."""
    write_attestation(True, True)
    agg_site = ENV["sites"][AGGREGATOR]
    (agg_site / "logs/aggregator_metrics.jsonl").unlink()
    with Process([PROGRAMS / "vouch-verifyd", "--config", ENV["verifier"]["config"], *LOG], STAGE,
                 STAGE / "verifier.log") as verifier:
        verifier.event("verifyd.listening")
        with start(AGGREGATOR, True, "trap") as agg:
            agg.event("aggregator.listening")
            with start("col1", True, "trap") as one:
                agg.event("result.taken", collaborator="col1", task="train")
                trap = (agg_site / "save/init.pbuf").read_bytes()
                with start("col2", True, "trap") as two:
                    while agg.child.poll() is None:
                        for name in ("last", "best"):
                            (agg_site / f"save/{name}.pbuf").write_bytes(trap)
                        time.sleep(0.05)
                    for process in (one, two):
                        assert process.wait(60) == 0, process.tail()
    assert metrics_of(agg_site) == ENV["metrics"]


def run_to_its_end(name, environment, *more):
    words = ["aggregator", "start"] if name == AGGREGATOR else ["collaborator", "start", "-n", name]
    words += more
    done = subprocess.run([PROGRAMS / "vouch-sim", "run", "--platform", STAGE / f"platform-{name}", "--",
                           PROGRAMS / "vouch", *words], cwd=ENV["sites"][name].directory, text=True,
                          capture_output=True, timeout=60, env={"PATH": "/usr/bin:/bin", **environment})
    return done.returncode, done.stderr


def an_attested_role_without_its_settings_names_each_that_is_missing():
    write_attestation(True, True)
    status, text = run_to_its_end(AGGREGATOR, {})
    assert status == 2 and "ATTESTATION_REPORT_PATH" in text and "ROOT_CERT_PATH" in text, (status, text)
    places = {"ATTESTATION_REPORT_PATH": str(STAGE / "r"), "ROOT_CERT_PATH": str(STAGE / "r")}
    status, text = run_to_its_end(AGGREGATOR, places)
    assert status == 2 and "ITA_API_KEY" in text, (status, text)
    path = ENV["sites"]["col1"] / "plan/attestation.yaml"
    lines = [line for line in path.read_text().splitlines() if not line.startswith(("  collateral", "  verifier"))]
    path.write_text("\n".join(lines) + "\n")
    status, text = run_to_its_end("col1", places)
    assert status == 2 and "collateral" in text and "AVS_URL" in text and "ITA_API_KEY" in text, (status, text)


def an_attested_aggregators_task_group_stands_in_the_plan():
    write_attestation(True, True)
    status, text = run_to_its_end(AGGREGATOR, {}, "--task_group", "learning")
    assert status == 2 and "selected_task_group into the plan" in text, (status, text)


def outside_of_a_tee_an_attested_role_does_not_start():
    write_attestation(True, True)
    done = subprocess.run([PROGRAMS / "vouch", "collaborator", "start", "-n", "col1"], text=True, capture_output=True,
                          cwd=ENV["sites"]["col1"].directory, timeout=60,
                          env={"PATH": "/usr/bin:/bin", "ATTESTATION_REPORT_PATH": str(STAGE / "r"), "ITA_API_KEY": "x"})
    assert done.returncode in (2, 3) and done.stderr, (done.returncode, done.stderr)


def an_initial_model_that_was_not_agreed_on_is_refused():
    write_attestation(True, True, initial_model="00" * 32)
    status, text = run_to_its_end(AGGREGATOR, {"ATTESTATION_REPORT_PATH": str(STAGE / "r"),
                                                 "ROOT_CERT_PATH": str(STAGE / "r"), "ITA_API_KEY": "x"})
    assert status == 2 and "initial_model" in text, (status, text)


def flags_that_contradict_each_other_are_refused():
    write_attestation(False, True)
    plan = ENV["sites"][AGGREGATOR] / "plan/plan.yaml"
    kept = plan.read_text()
    plan.write_text(kept.replace("    rounds_to_train: 2\n",
                                 "    rounds_to_train: 2\n    enable_remote_attestation: true\n"))
    status, text = run_to_its_end(AGGREGATOR, {})
    plan.write_text(kept)
    place = f"plan/plan.yaml:{kept[:kept.index('rounds_to_train')].count(chr(10)) + 2}:"
    assert status == 2 and "attestation.yaml says false" in text and place in text, (status, text)


def an_attested_aggregator_needs_a_named_address():
    write_attestation(True, True)
    plan = ENV["sites"][AGGREGATOR] / "plan/plan.yaml"
    kept = plan.read_text()
    plan.write_text(kept.replace("agg_addr: localhost", "agg_addr: auto"))
    status, text = run_to_its_end(AGGREGATOR, {})
    plan.write_text(kept)
    place = f"plan/plan.yaml:{kept[:kept.index('agg_addr')].count(chr(10)) + 1}:"
    assert status == 2 and "agg_addr is auto" in text and place in text, (status, text)


def one_certificate_for_all_is_refused_whoever_is_attested():
    """What attestation.yaml pins is a key to each name; the plan's own flags say nothing here."""
    for aggregator, collaborator in ((True, False), (False, True), (False, False)):
        write_attestation(aggregator, collaborator)
        for name in (AGGREGATOR, "col1"):
            plan = ENV["sites"][name] / "plan/plan.yaml"
            kept = plan.read_text()
            plan.write_text(kept.replace("    rounds_to_train: 2\n",
                                         "    rounds_to_train: 2\n    single_col_cert_common_name: all\n"))
            status, text = run_to_its_end(name, {})
            plan.write_text(kept)
            place = f"plan/plan.yaml:{kept[:kept.index('rounds_to_train')].count(chr(10)) + 2}:"
            assert status == 2 and "pins a key to each name" in text and place in text, (status, text)


try:
    tap.run(
        platforms_a_verifier_and_sites_are_made,
        both_are_attested,
        only_the_aggregator_is_attested,
        an_attested_federation_that_is_killed_goes_on_and_its_tensors_are_nowhere,
        the_same_federation_undisturbed_has_the_same_numbers,
        nothing_served_comes_from_a_clear_file,
        only_the_collaborators_are_attested,
        nobody_is_attested,
        an_attested_role_without_its_settings_names_each_that_is_missing,
        an_attested_aggregators_task_group_stands_in_the_plan,
        outside_of_a_tee_an_attested_role_does_not_start,
        an_initial_model_that_was_not_agreed_on_is_refused,
        flags_that_contradict_each_other_are_refused,
        an_attested_aggregator_needs_a_named_address,
        one_certificate_for_all_is_refused_whoever_is_attested,
    )
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
