"""An attested aggregator beside stock peers: a simulated platform, a verifier, attestation.yaml."""
import hashlib
import json
import contextlib
import os
import pathlib
import signal
import time

import openfl_peer as peer
from openfl_peer import LOG, NAMES, Process, Site
from federation import attestation_yaml, certificate_digest, new_federation_id, spki_digest
from ports import free_port


class Stage:
    """Platform and verifier in `directory`; `programs` are ours."""

    def __init__(self, directory, programs):
        self.directory, self.programs = pathlib.Path(directory), programs
        desk = self.desk = Site(self.directory / "desk", programs)
        desk.run("vouch-sim", "platform", "create", self.directory / "platform")
        self.verifier = desk.ask("vouch-verifyd", "init", self.directory / "verifier", "--host", "127.0.0.1",
                                 "--listen", f"127.0.0.1:{free_port()}", "--root",
                                 self.directory / "platform/root.pem", "--collateral-dir",
                                 self.directory / "platform/collateral")

    def write_attestation(self, site, names=NAMES, **federation):
        """attestation.yaml of an attested aggregator and stock collaborators, in the aggregator's workspace."""
        measured = self.desk.run("vouch-sim", "measure", "--json", "--", self.programs / "vouch")
        members = [{"name": "aggregator", "role": "aggregator",
                    "enrolment": spki_digest(site / "cert/server/agg_localhost.crt")}]
        members += [{"name": n, "role": "collaborator", "attested": False,
                     "enrolment": spki_digest(site / f"cert/client/col_{n}.crt")} for n in names]
        said = {"id": new_federation_id(), "from": "2020-01-01T00:00:00Z",
                "enable": {"aggregator": True, "collaborator": False},
                "initial_model": hashlib.sha256((site / "save/init.pbuf").read_bytes()).hexdigest(),
                "participants": members,
                "measurements": {"aggregator": [{"mrenclave": json.loads(measured)["mrenclave"]}]},
                "tcb": {"accept": ["UpToDate"]}, "token": "required",
                "token_issuers": [{"base_url": self.verifier["base_url"],
                                   "root": certificate_digest(self.verifier["token_root"])}],
                "channel": "key", "roots": [certificate_digest(self.directory / "platform/root.pem")],
                "model_export": "clear", "certificate_life_h": 1, "reattest_min": 60}
        local = {"collateral": {"dir": str(self.directory / "platform/collateral")},
                 "verifier": {"url": self.verifier["base_url"], "ca": self.verifier["tls_ca"]},
                 "enrolment": {"cert": "cert/server/agg_localhost.crt", "key": "cert/server/agg_localhost.key"}}
        (site / "plan/attestation.yaml").write_text(attestation_yaml(dict(said, **federation), local))

    def start_verifier(self):
        return Process([self.programs / "vouch-verifyd", "--config", self.verifier["config"], *LOG], self.directory,
                       self.directory / "verifier.log")

    def start_aggregator(self, site, log, *words):
        """Attested, under the system calls that Gramine offers."""
        reports = site / "reports"
        reports.mkdir(exist_ok=True)
        said = {"ITA_API_KEY": pathlib.Path(self.verifier["api_key_file"]).read_text().strip(),
                "AVS_URL": self.verifier["base_url"], "ATTESTATION_REPORT_PATH": str(reports),
                "ROOT_CERT_PATH": str(reports)}
        return Process([self.programs / "vouch-sim", "run", "--platform", self.directory / "platform",
                        "--gramine-limits", "--", self.programs / "vouch", "aggregator", "start", *LOG, *words],
                       site.directory, log, said)

    def pin_root(self, site):
        """The root that the collaborators pin comes out of the verified passport, not from the host."""
        ours = Site(site.directory, self.programs)
        ours.run("vouch", "passport", "verify", site / "reports/aggregator_passport.json", "--policy",
                 "plan/attestation.yaml", "--export-root", site / "root.pem")
        return site / "root.pem"

    def renew(self, aggregator):
        """Ask for another certificate and leaf (SIGHUP, as an operator would) and wait until they serve."""
        before = len(aggregator.events("identity.certificate_renewed"))
        os.killpg(aggregator.child.pid, signal.SIGHUP)
        until = time.monotonic() + 60
        while len(aggregator.events("identity.certificate_renewed")) == before:
            assert time.monotonic() < until, "the certificate was not renewed:\n" + aggregator.tail()
            time.sleep(0.1)

    def renew_twice(self, aggregator, one, other):
        """Each time one of two collaborators stands still: a round of real ones may last only milliseconds."""
        aggregator.event("result.taken", 300, round=0)
        with contextlib.ExitStack() as stack:
            with standing_still(one):
                self.renew(aggregator)
                stack.enter_context(standing_still(other))
            taken, until = len(aggregator.events("result.taken")), time.monotonic() + 15
            while len(aggregator.events("result.taken")) == taken and time.monotonic() < until:
                time.sleep(0.1)  # if `one` has work left, it does some under the new leaf first
            self.renew(aggregator)


@contextlib.contextmanager
def standing_still(process):
    process.child.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.child.send_signal(signal.SIGCONT)


__all__ = ["Stage", "peer"]
