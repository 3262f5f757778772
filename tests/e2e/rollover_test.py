#!/usr/bin/env python3
"""A federation changes its policy while rounds run: a new measurement beside the old one, then without it.

usage: rollover_test.py DIRECTORY-OF-PROGRAMS
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import tap
from federation import AGGREGATOR, certificate_digest, new_federation_id
from rollover import Drill

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-rollover-"))
NAMES = ("col1", "col2")
DRILL = Drill(PROGRAMS, STAGE, NAMES)
ALL = DRILL.all
ENV = {}


def sites_and_platforms_are_made():
    DRILL.make(100000)


def rounds():
    return DRILL.processes[AGGREGATOR].events("round.finished")


def more_rounds(count=2, reported=None, seconds=90):
    """Some more rounds end, the last of them with so many that reported."""
    want, until = len(rounds()) + count, time.monotonic() + seconds
    while time.monotonic() < until:
        done = rounds()
        if len(done) >= want and (reported is None or done[-1]["reported"] == reported):
            return done
        assert DRILL.processes[AGGREGATOR].child.poll() is None, DRILL.processes[AGGREGATOR].tail()
        time.sleep(0.1)
    raise AssertionError(f"{len(rounds())} rounds of {want}; the log ends:\n" + DRILL.processes[AGGREGATOR].tail())


def root_digest():
    return certificate_digest(DRILL.sites[AGGREGATOR] / f"reports/{AGGREGATOR}_root.pem")


def stock_peer_trusts_the_pinned_root():
    """The TLS handshake of a peer that knows nothing but the file that it pinned."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{DRILL.port}", "-alpn", "h2", "-CAfile",
                           STAGE / "pinned.pem", "-verify_return_error", "-verify_hostname", "localhost"], text=True,
                          input="", capture_output=True, timeout=30)
    assert "Verify return code: 0 (ok)" in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]


def rounds_run_under_the_first_policy():
    DRILL.federation = DRILL.first_federation()
    for name in ALL:
        (DRILL.sites[name] / "plan/attestation.yaml").write_text(DRILL.text_for(name, DRILL.federation))
    DRILL.start(AGGREGATOR).event("aggregator.listening")
    for name in NAMES:
        DRILL.start(name)
    more_rounds(2, reported=2)
    ENV["root"] = root_digest()
    shutil.copy(DRILL.sites[AGGREGATOR] / f"reports/{AGGREGATOR}_root.pem", STAGE / "pinned.pem")
    stock_peer_trusts_the_pinned_root()


def a_policy_that_nobody_signed_is_refused_and_changes_nothing():
    status, answers, _ = DRILL.load(AGGREGATOR, DRILL.following(DRILL.federation, 0), "")
    assert status == 1 and answers[0]["result"] == "refused" and "succession" in answers[0]["reason"], (status, answers)
    wrong = DRILL.proof_of(DRILL.following(DRILL.federation, 3600))  # over another policy
    status, answers, _ = DRILL.load(AGGREGATOR, DRILL.following(DRILL.federation, 0), wrong)
    assert status == 1 and "signature" in answers[0]["reason"], (status, answers)
    (DRILL.sites[AGGREGATOR] / "plan/attestation.next.yaml").unlink()
    more_rounds(2, reported=2)
    assert not DRILL.processes[AGGREGATOR].events("policy.switched")


def a_file_with_faults_is_refused_before_it_is_laid_down():
    federation = dict(DRILL.federation, chanel="key")
    status, _, text = DRILL.load(AGGREGATOR, federation, "")
    assert status == 2 and "chanel" in text, (status, text)
    assert not (DRILL.sites[AGGREGATOR] / "plan/attestation.next.yaml").exists()


def change(seconds, names=ALL, **changes):
    federation = DRILL.following(DRILL.federation, seconds, **changes)
    proof = DRILL.proof_of(federation)
    for name in names:
        status, answers, text = DRILL.load(name, federation, proof)
        assert status == 0 and [a["result"] for a in answers] == ["loaded"], (name, status, answers, text)
    for name in names:
        DRILL.processes[name].event("policy.switched", seconds=90)
    DRILL.federation = federation


def all_switch_to_a_policy_with_a_new_measurement_beside_the_old_one():
    change(20, measurements={"aggregator": [{"mrenclave": DRILL.old}],
                             "collaborator": [{"mrenclave": DRILL.old}, {"mrenclave": DRILL.new}]})
    more_rounds(3, reported=2)
    assert root_digest() == ENV["root"], "the federation CA must not change"
    for name in ALL:
        text = (DRILL.sites[name] / "plan/attestation.yaml").read_text()
        assert DRILL.federation["replaces"] in text, f"{name}: the next start must know the policy in force"


def a_participant_of_the_new_release_takes_its_place():
    DRILL.stop("col1")
    process = DRILL.start("col1", "new")
    process.event("admission.admitted", seconds=60)
    verdict = DRILL.processes[AGGREGATOR].event("admission.admitted", name="col1", measurement=DRILL.new)
    assert verdict["attested"]
    more_rounds(3, reported=2)


def the_laggard_is_quarantined_when_the_old_measurement_goes_and_the_others_go_on():
    before = len(rounds())
    change(20, measurements={"aggregator": [{"mrenclave": DRILL.old}], "collaborator": [{"mrenclave": DRILL.new}]})
    quarantined = DRILL.processes[AGGREGATOR].event("collaborator.quarantined", seconds=60, name="col2")
    assert "measurement" in quarantined["reason"], quarantined
    done = more_rounds(3, reported=1)
    assert len(done) > before
    assert not DRILL.processes[AGGREGATOR].events("collaborator.quarantined")[1:]
    assert DRILL.processes["col2"].child.poll() is None, "within ten minutes of the change it tries again"


def the_laggard_comes_back_with_the_new_release():
    DRILL.stop("col2")
    DRILL.start("col2", "new")
    DRILL.processes[AGGREGATOR].event("collaborator.readmitted", seconds=60, name="col2")
    more_rounds(2, reported=2)


def no_round_was_lost_or_made_twice():
    numbers = [one["round"] for one in rounds()]
    assert numbers == list(range(len(numbers))), numbers


def a_hangup_renews_the_certificate_and_no_call_is_dropped():
    aggregator = DRILL.processes[AGGREGATOR]
    dropped = len(DRILL.processes["col1"].events("aggregator.trouble"))
    os.killpg(aggregator.child.pid, signal.SIGHUP)
    aggregator.event("identity.certificate_renewed", seconds=30)
    more_rounds(3, reported=2)
    stock_peer_trusts_the_pinned_root()
    assert len(DRILL.processes["col1"].events("aggregator.trouble")) == dropped


def a_killed_aggregator_comes_back_with_the_same_ca():
    DRILL.stop(AGGREGATOR, signal.SIGKILL)
    time.sleep(0.5)
    process = DRILL.start(AGGREGATOR)
    process.event("aggregator.listening")
    assert process.events("identity.resumed") and not process.events("identity.new"), process.tail()
    assert root_digest() == ENV["root"]
    stock_peer_trusts_the_pinned_root()


def with_another_policy_it_is_a_new_identity_and_says_so():
    DRILL.stop(AGGREGATOR)
    other = dict(DRILL.federation, id=new_federation_id())
    (DRILL.sites[AGGREGATOR] / "plan/attestation.yaml").write_text(DRILL.text_for(AGGREGATOR, other))
    process = DRILL.start(AGGREGATOR)
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
    DRILL.end()
    shutil.rmtree(STAGE, ignore_errors=True)
