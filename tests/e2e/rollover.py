"""A federation of simulated platforms whose policy changes: one governor signs what follows what."""
import datetime
import hashlib
import json
import os
import re
import signal
import subprocess

from federation import (AGGREGATOR, Process, Site, attestation_yaml, certificate_digest, certificate_of, make_sites,
                        new_federation_id, spki_digest)
from ports import free_port

LOG = ("--log-format", "json", "--log-level", "info")


class Drill:
    def __init__(self, programs, stage, names):
        self.programs, self.stage, self.names = programs, stage, tuple(names)
        self.all = (AGGREGATOR,) + self.names
        self.sites, self.processes, self.starts = {}, {}, 0
        self.federation = None  # of the policy in force

    def make(self, rounds):
        """Platforms, the measurements of two releases, the governor's key, sites."""
        desk = self.desk = Site(self.stage / "desk", self.programs)
        for name in self.all:
            desk.run("vouch-sim", "platform", "create", self.stage / f"platform-{name}", "--vendor",
                     self.stage / "vendor")
        (self.stage / "release-2").write_text("what tells the new release from the old one\n")
        self.old, self.new = (
            json.loads(desk.run("vouch-sim", "measure", "--json", *words, "--", self.programs / "vouch"))["mrenclave"]
            for words in ((), ("--measure", self.stage / "release-2")))
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out",
                        self.stage / "governor.key"], check=True, capture_output=True)
        self.port = free_port()
        self.sites = make_sites(self.stage, self.programs, self.names, rounds, self.port)

    def governor_digest(self):
        der = subprocess.run(["openssl", "pkey", "-in", self.stage / "governor.key", "-pubout", "-outform", "DER"],
                             check=True, capture_output=True).stdout
        return hashlib.sha256(der).hexdigest()

    def first_federation(self):
        members = [{"name": n, "role": "aggregator" if n == AGGREGATOR else "collaborator",
                    "enrolment": spki_digest(self.sites[n] / f"cert/{certificate_of(n)}.crt")} for n in self.all]
        members.append({"name": "stock", "role": "collaborator", "enrolment": "ab" * 32, "attested": False})
        model = (self.sites[AGGREGATOR] / "save/init.pbuf").read_bytes()
        return {
            "id": new_federation_id(), "from": "2020-01-01T00:00:00Z",
            "enable": {"aggregator": True, "collaborator": True}, "initial_model": hashlib.sha256(model).hexdigest(),
            "participants": members,
            "measurements": {"aggregator": [{"mrenclave": self.old}], "collaborator": [{"mrenclave": self.old}]},
            "tcb": {"accept": ["UpToDate"]}, "token": "off", "channel": "key",
            "roots": [certificate_digest(self.stage / f"platform-{AGGREGATOR}/root.pem")],
            "model_export": "clear", "certificate_life_h": 24, "reattest_min": 60,
            "successor": self.governor_digest()}

    def text_for(self, name, federation, proof=""):
        local = {"collateral": {"dir": str(self.stage / f"platform-{name}/collateral")},
                 "enrolment": {"cert": f"cert/{certificate_of(name)}.crt", "key": f"cert/{certificate_of(name)}.key"}}
        return proof + attestation_yaml(federation, local)

    def digest_of(self, path):
        return re.search("# policy: ([0-9a-f]{64})", self.desk.run("vouch", "policy", "sign", path)).group(1)

    def following(self, federation, seconds, **changes):
        """The next policy, which holds in so many seconds, and names the one that it replaces."""
        now = self.stage / "in-force.yaml"
        now.write_text(self.text_for(AGGREGATOR, federation))
        moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        return {**federation, **changes, "from": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "replaces": self.digest_of(now)}

    def proof_of(self, federation):
        draft = self.stage / "draft.yaml"
        draft.write_text(self.text_for(AGGREGATOR, federation))
        return self.desk.run("vouch", "policy", "sign", draft, "--key", self.stage / "governor.key")

    def load(self, name, federation, proof):
        path = self.stage / f"next-{name}.yaml"
        path.write_text(self.text_for(name, federation, proof))
        done = subprocess.run([self.programs / "vouch", "policy", "load", path, "--json"],
                              cwd=self.sites[name].directory, text=True, capture_output=True, timeout=120)
        answers = json.loads(done.stdout)["answers"] if done.stdout else []
        return done.returncode, answers, done.stderr

    def start(self, name, release="old", environment=None):
        site = self.sites[name]
        self.starts += 1
        words = ["aggregator", "start"] if name == AGGREGATOR else ["collaborator", "start", "-n", name]
        measured = ("--measure", self.stage / "release-2") if release == "new" else ()
        process = Process([self.programs / "vouch-sim", "run", "--platform", self.stage / f"platform-{name}",
                           "--gramine-limits", *measured, "--", self.programs / "vouch", *words, *LOG],
                          site.directory, self.stage / f"{self.starts}-{name}.log",
                          {"ATTESTATION_REPORT_PATH": str(site / "reports"), "ROOT_CERT_PATH": str(site / "reports"),
                           **(environment or {})})
        self.processes[name] = process
        return process

    def stop(self, name, how=signal.SIGTERM):
        """Its output stays readable."""
        process = self.processes.pop(name)
        try:
            os.killpg(process.child.pid, how)
        except ProcessLookupError:
            pass
        process.child.wait(30)
        process.file.close()
        return process

    def end(self):
        for running in list(self.processes.values()):
            running.__exit__()
