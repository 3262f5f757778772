#!/usr/bin/env python3
"""A federation changes its policy while rounds run: a new measurement beside the old one, then without it.

usage: rollover_test.py DIRECTORY-OF-PROGRAMS
"""
import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import tap
from federation import (AGGREGATOR, Process, Site, attestation_yaml, certificate_digest, certificate_of,
                        make_sites, new_federation_id, spki_digest)
from ports import free_port

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-rollover-"))
NAMES = ("col1", "col2")
ALL = (AGGREGATOR,) + NAMES
LOG = ("--log-format", "json", "--log-level", "info")
ENV = {"sites": {}, "processes": {}, "policy": {}}


def sites_and_platforms_are_made():
    desk = ENV["desk"] = Site(STAGE / "desk", PROGRAMS)
    for name in ALL:
        desk.run("vouch-sim", "platform", "create", STAGE / f"platform-{name}", "--vendor", STAGE / "vendor")
    (STAGE / "release-2").write_text("what tells the new release from the old one\n")
    for label, words in (("old", ()), ("new", ("--measure", STAGE / "release-2"))):
        ENV[label] = json.loads(desk.run("vouch-sim", "measure", "--json", *words, "--",
                                       PROGRAMS / "vouch"))["mrenclave"]
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out",
                    STAGE / "governor.key"], check=True, capture_output=True)
    ENV["port"] = free_port()
    ENV["sites"] = make_sites(STAGE, PROGRAMS, NAMES, 100000, ENV["port"])


def governor_digest():
    der = subprocess.run(["openssl", "pkey", "-in", STAGE / "governor.key", "-pubout", "-outform", "DER"], check=True,
                         capture_output=True).stdout
    return hashlib.sha256(der).hexdigest()


def first_federation():
    sites = ENV["sites"]
    members = [{"name": n, "role": "aggregator" if n == AGGREGATOR else "collaborator",
                "enrolment": spki_digest(sites[n] / f"cert/{certificate_of(n)}.crt")} for n in ALL]
    members.append({"name": "stock", "role": "collaborator", "enrolment": "ab" * 32, "attested": False})
    return {
        "id": new_federation_id(), "from": "2020-01-01T00:00:00Z", "enable": {"aggregator": True, "collaborator": True},
        "initial_model": hashlib.sha256((sites[AGGREGATOR] / "save/init.pbuf").read_bytes()).hexdigest(),
        "participants": members,
        "measurements": {"aggregator": [{"mrenclave": ENV["old"]}], "collaborator": [{"mrenclave": ENV["old"]}]},
        "tcb": {"accept": ["UpToDate"]}, "token": "off", "channel": "key",
        "roots": [certificate_digest(STAGE / f"platform-{AGGREGATOR}/root.pem")],
        "model_export": "clear", "certificate_life_h": 24, "reattest_min": 60, "successor": governor_digest()}


def text_for(name, federation, proof=""):
    local = {"collateral": {"dir": str(STAGE / f"platform-{name}/collateral")},
             "enrolment": {"cert": f"cert/{certificate_of(name)}.crt", "key": f"cert/{certificate_of(name)}.key"}}
    return proof + attestation_yaml(federation, local)


def digest_of(path):
    return re.search("# policy: ([0-9a-f]{64})", ENV["desk"].run("vouch", "policy", "sign", path)).group(1)


def following(federation, seconds, **changes):
    """The next policy, the text of its proof, and the digest of the one that it replaces."""
    now = STAGE / "in-force.yaml"
    now.write_text(text_for(AGGREGATOR, federation))
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return {**federation, **changes, "from": moment.strftime("%Y-%m-%dT%H:%M:%SZ"), "replaces": digest_of(now)}


def proof_of(federation):
    draft = STAGE / "draft.yaml"
    draft.write_text(text_for(AGGREGATOR, federation))
    return ENV["desk"].run("vouch", "policy", "sign", draft, "--key", STAGE / "governor.key")


def load(name, federation, proof):
    path = STAGE / f"next-{name}.yaml"
    path.write_text(text_for(name, federation, proof))
    done = subprocess.run([PROGRAMS / "vouch", "policy", "load", path, "--json"], cwd=ENV["sites"][name].directory,
                          text=True, capture_output=True, timeout=120)
    answers = json.loads(done.stdout)["answers"] if done.stdout else []
    return done.returncode, answers, done.stderr


def start(name, release="old"):
    site = ENV["sites"][name]
    count = ENV["starts"] = ENV.get("starts", 0) + 1
    words = ["aggregator", "start"] if name == AGGREGATOR else ["collaborator", "start", "-n", name]
    measured = ("--measure", STAGE / "release-2") if release == "new" else ()
    process = Process([PROGRAMS / "vouch-sim", "run", "--platform", STAGE / f"platform-{name}", "--gramine-limits",
                       *measured, "--", PROGRAMS / "vouch", *words, *LOG], site.directory,
                      STAGE / f"{count}-{name}.log",
                      {"ATTESTATION_REPORT_PATH": str(site / "reports"), "ROOT_CERT_PATH": str(site / "reports")})
    ENV["processes"][name] = process
    return process


def stop(name, how=signal.SIGTERM):
    process = ENV["processes"].pop(name)
    os.killpg(process.child.pid, how)
    process.child.wait(30)
    process.file.close()


def rounds():
    return ENV["processes"][AGGREGATOR].events("round.finished")


def more_rounds(count=2, reported=None, seconds=90):
    """Some more rounds end, the last of them with so many that reported."""
    want, until = len(rounds()) + count, time.monotonic() + seconds
    while time.monotonic() < until:
        done = rounds()
        if len(done) >= want and (reported is None or done[-1]["reported"] == reported):
            return done
        assert ENV["processes"][AGGREGATOR].child.poll() is None, ENV["processes"][AGGREGATOR].tail()
        time.sleep(0.1)
    raise AssertionError(f"{len(rounds())} rounds of {want}; the log ends:\n" + ENV["processes"][AGGREGATOR].tail())


def root_digest():
    return certificate_digest(ENV["sites"][AGGREGATOR] / f"reports/{AGGREGATOR}_root.pem")


def stock_peer_trusts_the_pinned_root():
    """The TLS handshake of a peer that knows nothing but the file that it pinned."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{ENV['port']}", "-alpn", "h2", "-CAfile",
                           STAGE / "pinned.pem", "-verify_return_error", "-verify_hostname", "localhost"], text=True,
                          input="", capture_output=True, timeout=30)
    assert "Verify return code: 0 (ok)" in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]


def rounds_run_under_the_first_policy():
    ENV["federation"] = first_federation()
    for name in ALL:
        (ENV["sites"][name] / "plan/attestation.yaml").write_text(text_for(name, ENV["federation"]))
    start(AGGREGATOR).event("aggregator.listening")
    for name in NAMES:
        start(name)
    more_rounds(2, reported=2)
    ENV["root"] = root_digest()
    shutil.copy(ENV["sites"][AGGREGATOR] / f"reports/{AGGREGATOR}_root.pem", STAGE / "pinned.pem")
    stock_peer_trusts_the_pinned_root()


def a_policy_that_nobody_signed_is_refused_and_changes_nothing():
    status, answers, _ = load(AGGREGATOR, following(ENV["federation"], 0), "")
    assert status == 1 and answers[0]["result"] == "refused" and "succession" in answers[0]["reason"], (status, answers)
    wrong = proof_of(following(ENV["federation"], 3600))  # over another policy
    status, answers, _ = load(AGGREGATOR, following(ENV["federation"], 0), wrong)
    assert status == 1 and "signature" in answers[0]["reason"], (status, answers)
    (ENV["sites"][AGGREGATOR] / "plan/attestation.next.yaml").unlink()
    more_rounds(2, reported=2)
    assert not ENV["processes"][AGGREGATOR].events("policy.switched")


def a_file_with_faults_is_refused_before_it_is_laid_down():
    federation = dict(ENV["federation"], chanel="key")
    status, _, text = load(AGGREGATOR, federation, "")
    assert status == 2 and "chanel" in text, (status, text)
    assert not (ENV["sites"][AGGREGATOR] / "plan/attestation.next.yaml").exists()


def change(seconds, names=ALL, **changes):
    federation = following(ENV["federation"], seconds, **changes)
    proof = proof_of(federation)
    for name in names:
        status, answers, text = load(name, federation, proof)
        assert status == 0 and [a["result"] for a in answers] == ["loaded"], (name, status, answers, text)
    for name in names:
        ENV["processes"][name].event("policy.switched", seconds=90)
    ENV["federation"] = federation


def all_switch_to_a_policy_with_a_new_measurement_beside_the_old_one():
    change(20, measurements={"aggregator": [{"mrenclave": ENV["old"]}],
                             "collaborator": [{"mrenclave": ENV["old"]}, {"mrenclave": ENV["new"]}]})
    more_rounds(3, reported=2)
    assert root_digest() == ENV["root"], "the federation CA must not change"
    for name in ALL:
        text = (ENV["sites"][name] / "plan/attestation.yaml").read_text()
        assert ENV["federation"]["replaces"] in text, f"{name}: the next start must know the policy in force"


def a_participant_of_the_new_release_takes_its_place():
    stop("col1")
    process = start("col1", "new")
    process.event("admission.admitted", seconds=60)
    verdict = ENV["processes"][AGGREGATOR].event("admission.admitted", name="col1", measurement=ENV["new"])
    assert verdict["attested"]
    more_rounds(3, reported=2)


def the_laggard_is_quarantined_when_the_old_measurement_goes_and_the_others_go_on():
    before = len(rounds())
    change(20, measurements={"aggregator": [{"mrenclave": ENV["old"]}], "collaborator": [{"mrenclave": ENV["new"]}]})
    quarantined = ENV["processes"][AGGREGATOR].event("collaborator.quarantined", seconds=60, name="col2")
    assert "measurement" in quarantined["reason"], quarantined
    done = more_rounds(3, reported=1)
    assert len(done) > before
    assert not ENV["processes"][AGGREGATOR].events("collaborator.quarantined")[1:]
    assert ENV["processes"]["col2"].child.poll() is None, "within ten minutes of the change it tries again"


def the_laggard_comes_back_with_the_new_release():
    stop("col2")
    start("col2", "new")
    ENV["processes"][AGGREGATOR].event("collaborator.readmitted", seconds=60, name="col2")
    more_rounds(2, reported=2)


def no_round_was_lost_or_made_twice():
    numbers = [one["round"] for one in rounds()]
    assert numbers == list(range(len(numbers))), numbers


def a_hangup_renews_the_certificate_and_no_call_is_dropped():
    aggregator = ENV["processes"][AGGREGATOR]
    dropped = len(ENV["processes"]["col1"].events("aggregator.trouble"))
    os.killpg(aggregator.child.pid, signal.SIGHUP)
    aggregator.event("identity.certificate_renewed", seconds=30)
    more_rounds(3, reported=2)
    stock_peer_trusts_the_pinned_root()
    assert len(ENV["processes"]["col1"].events("aggregator.trouble")) == dropped


def a_killed_aggregator_comes_back_with_the_same_ca():
    stop(AGGREGATOR, signal.SIGKILL)
    time.sleep(0.5)
    process = start(AGGREGATOR)
    process.event("aggregator.listening")
    assert process.events("identity.resumed") and not process.events("identity.new"), process.tail()
    assert root_digest() == ENV["root"]
    stock_peer_trusts_the_pinned_root()


def with_another_policy_it_is_a_new_identity_and_says_so():
    stop(AGGREGATOR)
    other = dict(ENV["federation"], id=new_federation_id())
    (ENV["sites"][AGGREGATOR] / "plan/attestation.yaml").write_text(text_for(AGGREGATOR, other))
    process = start(AGGREGATOR)
    process.event("aggregator.listening")
    new = process.event("identity.new")
    assert new["new_ca"] and new["reason"], new
    assert root_digest() != ENV["root"]


try:
    tap.run(
        sites_and_platforms_are_made,
        rounds_run_under_the_first_policy,
        a_policy_that_nobody_signed_is_refused_and_changes_nothing,
        a_file_with_faults_is_refused_before_it_is_laid_down,
        all_switch_to_a_policy_with_a_new_measurement_beside_the_old_one,
        a_participant_of_the_new_release_takes_its_place,
        the_laggard_is_quarantined_when_the_old_measurement_goes_and_the_others_go_on,
        the_laggard_comes_back_with_the_new_release,
        no_round_was_lost_or_made_twice,
        a_hangup_renews_the_certificate_and_no_call_is_dropped,
        a_killed_aggregator_comes_back_with_the_same_ca,
        with_another_policy_it_is_a_new_identity_and_says_so,
    )
finally:
    for running in list(ENV["processes"].values()):
        running.__exit__()
    shutil.rmtree(STAGE, ignore_errors=True)
