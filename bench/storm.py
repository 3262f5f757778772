#!/usr/bin/env python3
"""A thousand attested collaborators admitted in one storm, clients on the same machine; and an attested start.

usage: storm.py DIRECTORY-OF-PROGRAMS STORM-CLIENTS [COUNT]     Prints JSON lines, see tools/bench.py.

The aggregator is the real `vouch aggregator start` under `vouch-sim run`. The clients are one process: 1,000
threads that connect in the same moment, each with its own key, quote and certificate, on PLATFORMS platforms.
Its memory: resident size once all are admitted and idle, less that of the moment when it listened.
"""
import hashlib
import json
import pathlib
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

PROGRAMS, CLIENTS = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
COUNT = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
PLATFORMS = 20
STARTS = 7
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-storm-"))
SITE = STAGE / "site"


def run(*words, cwd=STAGE):
    return subprocess.run(list(map(str, words)), cwd=cwd, check=True, capture_output=True).stdout


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def digest(der):
    return hashlib.sha256(der).hexdigest()


def make_federation(port):
    for i in range(PLATFORMS):
        run(PROGRAMS / "vouch-sim", "platform", "create", STAGE / f"p{i}", "--vendor", STAGE / "vendor")
    run(PROGRAMS / "vouch", "workspace", "create", "--prefix", SITE)
    clients = subprocess.Popen([CLIENTS, str(COUNT), str(port), *[STAGE / f"p{i}" for i in range(PLATFORMS)]],
                               cwd=SITE, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pinned = [clients.stdout.readline().strip() for _ in range(COUNT)]
    plan = (SITE / "plan/plan.yaml").read_text().replace("agg_addr: auto", "agg_addr: localhost")
    (SITE / "plan/plan.yaml").write_text(plan.replace("agg_port: auto", f"agg_port: {port}"))
    names = [f"c{i:04}" for i in range(COUNT)]
    (SITE / "plan/cols.yaml").write_text("collaborators:\n" + "".join(f"- {n}\n" for n in names))
    vouch = PROGRAMS / "vouch"
    run(vouch, "workspace", "certify", cwd=SITE)
    run(vouch, "aggregator", "generate-cert-request", "--fqdn", "localhost", cwd=SITE)
    run(vouch, "aggregator", "certify", "--fqdn", "localhost", "-s", cwd=SITE)
    (SITE / "data").mkdir(exist_ok=True)
    shutil.copy(pathlib.Path(__file__).parent.parent / "examples/data/optdigits.csv", SITE / "data/optdigits.csv")
    (SITE / "plan/data.yaml").write_text("".join(f"{n},data/optdigits.csv\n" for n in names[:1]))
    run(vouch, "plan", "initialize", cwd=SITE)
    spki = run("openssl", "x509", "-in", SITE / "cert/server/agg_localhost.crt", "-pubkey", "-noout")
    own = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=spki, check=True, capture_output=True)
    root = digest(run("openssl", "x509", "-in", STAGE / "p0/root.pem", "-outform", "DER"))
    measured = json.loads(run(PROGRAMS / "vouch-sim", "measure", "--json", "--", vouch))["mrenclave"]
    model = digest((SITE / "save/init.pbuf").read_bytes())
    people = [f'    - {{name: localhost, role: aggregator, enrolment: "{digest(own.stdout)}"}}']
    people += [f'    - {{name: {n}, role: collaborator, enrolment: "{pin}"}}' for n, pin in zip(names, pinned)]
    (SITE / "plan/attestation.yaml").write_text(f"""version: 1
federation:
  id: "{secrets.token_hex(16)}"
  from: 2020-01-01T00:00:00Z
  enable: {{aggregator: true, collaborator: true}}
  initial_model: "{model}"
  participants:
{chr(10).join(people)}
  measurements:
    aggregator: [{{mrenclave: "{measured}"}}]
    collaborator: [{{mrenclave: "{'cc' * 32}"}}]
  tcb: {{accept: [UpToDate]}}
  token: off
  channel: key
  roots: ["{root}"]
  model_export: clear
  certificate_life_h: 24
  reattest_min: 60
local:
  collateral: {{dir: "{STAGE}/p0/collateral"}}
  enrolment: {{cert: cert/server/agg_localhost.crt, key: cert/server/agg_localhost.key}}
""")
    return clients


class Aggregator:
    """`vouch aggregator start` on a simulated platform; `seconds`: from exec to listening."""

    def __init__(self, *more):
        self.log = open(STAGE / "agg.log", "w")
        began = time.monotonic()
        self.run = subprocess.Popen(
            [PROGRAMS / "vouch-sim", "run", "--platform", STAGE / "p0", "--", PROGRAMS / "vouch", "aggregator", "start",
             "--ungated-per-address", "2000", *more], cwd=SITE, stdout=subprocess.PIPE, stderr=self.log, text=True,
            env={"PATH": "/usr/bin:/bin", "ATTESTATION_REPORT_PATH": str(SITE), "ROOT_CERT_PATH": str(SITE)})
        for line in self.run.stdout:
            if line.startswith("listening"):
                break
        else:
            raise SystemExit("the aggregator did not start:\n" + (STAGE / "agg.log").read_text()[-2000:])
        self.seconds = time.monotonic() - began
        threading.Thread(target=self.run.stdout.read, daemon=True).start()
        self.pid = int(pathlib.Path(f"/proc/{self.run.pid}/task/{self.run.pid}/children").read_text().split()[0])

    def resident(self):
        """Bytes."""
        lines = pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    def cpu(self):
        """Seconds on a processor, all threads that there are."""
        threads = pathlib.Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(t.read_text().split()[0]) for t in threads) / 1e9

    def stop(self):
        self.run.terminate()
        self.run.wait(30)
        self.log.close()


def start_verifier():
    """(process, what it printed at its making)."""
    made = json.loads(run(PROGRAMS / "vouch-verifyd", "init", STAGE / "verifier", "--host", "127.0.0.1", "--listen",
                          f"127.0.0.1:{free_port()}", "--root", STAGE / "p0/root.pem", "--collateral-dir",
                          STAGE / "p0/collateral", "--json"))
    verifier = subprocess.Popen([PROGRAMS / "vouch-verifyd", "--config", made["config"]], stdout=subprocess.PIPE, text=True)
    verifier.stdout.readline()
    return verifier, made


def write_small_federation(made):
    """The same aggregator and two others, with tokens of the local verifier."""
    lines = (SITE / "plan/attestation.yaml").read_text().splitlines()
    people = [i for i, line in enumerate(lines) if "role: collaborator" in line]
    text = "\n".join(lines[:people[2]] + lines[people[-1] + 1:]) + "\n"
    issuer = digest(run("openssl", "x509", "-in", made["token_root"], "-outform", "DER"))
    text = text.replace("  token: off\n", f"""  token: required
  token_issuers: [{{base_url: "{made['base_url']}", root: "{issuer}"}}]
""")
    text += f"""  verifier: {{url: "{made['base_url']}", ca: "{made['tls_ca']}", api_key_file: "{made['api_key_file']}"}}
"""
    (SITE / "small.yaml").write_text(text)


def row(name, value, unit, limit, ratio, target):
    print(json.dumps({"name": name, "value": value, "unit": unit, "limit": limit, "ratio": ratio, "target": target}),
          flush=True)


def bench_start():
    """Medians: seconds, and seconds of processor."""
    times, cpu = [], []
    verifier, made = start_verifier()
    write_small_federation(made)
    for _ in range(STARTS):
        aggregator = Aggregator("--attestation", "small.yaml")
        times.append(aggregator.seconds)
        cpu.append(aggregator.cpu())
        aggregator.stop()
    verifier.terminate()
    verifier.wait(30)
    return statistics.median(times), statistics.median(cpu)


def storm(clients):
    aggregator = Aggregator()
    clients.stdin.write("the files are there\n")
    clients.stdin.flush()
    if clients.stdout.readline() != "ready\n":
        raise SystemExit(f"the clients could not be made: exit status {clients.wait()}")
    before, cpu = aggregator.resident(), aggregator.cpu()
    clients.stdin.write("go\n")
    clients.stdin.flush()
    said = json.loads(clients.stdout.readline())
    time.sleep(1)
    each = (aggregator.resident() - before) / COUNT
    cpu = aggregator.cpu() - cpu
    clients.stdin.close()
    clients.wait(60)
    aggregator.stop()
    return said, each, cpu


def main():
    clients = make_federation(free_port())
    start, cpu = bench_start()
    row("attested_start", round(1000 * start, 1), "ms", 100, round(start / 0.1, 2),
        "exec to attested and listening, token of a local verifier; at most 100 ms over the device's two quotes: here they count")
    row("attested_start_cpu", round(1000 * cpu, 1), "ms CPU", None, None, "of the aggregator alone, until it listens")
    said, each, cpu = storm(clients)
    row("storm_lost", said["lost"], "of " + str(COUNT), 0, None,
        f"none; {said['tries'] - COUNT} of the tries were repeated, on {PLATFORMS} platforms")
    row("storm_admitted", round(said["seconds"], 2), "s", None, None,
        f"all of them, from the first moment; median {said['median_ms']} ms, slowest {said['slowest_ms']} ms")
    row("storm_cpu", round(1e6 * cpu / COUNT), "us CPU", None, None, "of the aggregator, for each collaborator")
    row("storm_memory", round(each / 1000, 1), "KB", 150, round(each / 150000, 3), "at most 150 KB a connection")


try:
    main()
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
