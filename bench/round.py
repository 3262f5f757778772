#!/usr/bin/env python3
"""Federated rounds with Vouch collaborators that train nothing, over mutual TLS on this machine.

usage: round.py DIRECTORY-OF-PROGRAMS NOOP-COLLABORATOR [ROW]...     Prints JSON lines, see tools/bench.py.

Measured in the same run, for the same bytes: raw TLS 1.3 (AES-256-GCM, OpenSSL, one connection over a socket
pair, both ends on this machine), and the disk: every collaborator's update, the next model and save/last.pbuf,
written and synced one after the other. A round's limit is what its target makes of them.

A round is the median of those after the first, by the aggregator's own clock; its processor time is the
difference between the first round's end and the last's, over all threads; memory is the peak of resident pages.
"""
import contextlib
import hashlib
import json
import multiprocessing
import os
import pathlib
import secrets
import shutil
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "tests/e2e"))
from federation import attestation_yaml, certificate_digest, new_federation_id, spki_digest  # noqa: E402

PROGRAMS, NOOP = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-bench-"))
ROUNDS = 6  # the first is not counted: its collaborators are still starting
MANY, MANY_AT_A_TIME = 1000, 8

PLAN = """aggregator:
  template: openfl.component.Aggregator
  settings: {{init_state_path: save/init.pbuf, best_state_path: save/best.pbuf, last_state_path: save/last.pbuf, rounds_to_train: {rounds}}}
assigner:
  template: openfl.component.RandomGroupedAssigner
  settings:
    task_groups:
    - {{name: learning, percentage: 1.0, tasks: [aggregated_model_validation, train, locally_tuned_model_validation]}}
collaborator:
  template: openfl.component.Collaborator
  settings: {{opt_treatment: RESET, use_delta_updates: false}}
compression_pipeline: {{template: openfl.pipelines.NoCompressionPipeline, settings: {{}}}}
data_loader: {{template: src.none.Loader, settings: {{}}}}
network:
  template: openfl.federation.Network
  settings: {{agg_addr: localhost, agg_port: {port}, cert_folder: cert}}
task_runner: {{template: src.none.Runner, settings: {{}}}}
tasks:
  aggregated_model_validation: {{function: validate, kwargs: {{apply: global, metrics: [loss]}}}}
  locally_tuned_model_validation: {{function: validate, kwargs: {{apply: local, metrics: [loss]}}}}
  train: {{function: train_batches, kwargs: {{metrics: [loss]}}}}
"""


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + bytearray([n]))


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def init_model(path, size, tensors):
    """OpenFL's ModelProto: `tensors` float32 vectors, `size` bytes in all."""
    elements = size // tensors // 4
    with open(path, "wb") as out:
        for i in range(tensors):
            body = field(1, f"t{i}".encode()) + b"\x18\x01" + field(5, b"model")
            body += field(6, field(2, varint(elements))) + field(7, struct.pack("<f", 0.5) * elements)
            out.write(field(1, body))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def vouch(site, *words):
    subprocess.run([PROGRAMS / "vouch", *words], cwd=site, check=True, capture_output=True)


def make_site(name, port, names, rounds):
    site = STAGE / name
    for inside in ("plan", "cert/client", "save"):
        (site / inside).mkdir(parents=True, exist_ok=True)
    (site / "plan/plan.yaml").write_text(PLAN.format(rounds=rounds, port=port))
    (site / "plan/cols.yaml").write_text("collaborators:\n" + "".join(f"- {n}\n" for n in names))
    return site


def make_aggregator(port, names, rounds):
    site = make_site("agg", port, names, rounds)
    vouch(site, "workspace", "certify")
    vouch(site, "aggregator", "generate-cert-request", "--fqdn", "localhost")
    vouch(site, "aggregator", "certify", "--fqdn", "localhost", "-s")
    return site


def make_collaborator(name, port, names, rounds):
    """Its certificate as `vouch collaborator certify` would make it, of a key that is made faster."""
    site, ca = make_site(name, port, names, rounds), STAGE / "agg/cert/ca"
    extensions = STAGE / "extensions"
    extensions.write_text("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\n"
                          f"extendedKeyUsage=clientAuth\nsubjectAltName=DNS:{name}\n")
    key = site / f"cert/client/col_{name}.key"
    run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    request = run("openssl", "req", "-new", "-key", key, "-subj", f"/CN={name}")
    certificate = site / f"cert/client/col_{name}.crt"
    run("openssl", "x509", "-req", "-sha384", "-days", "30", "-CA", ca / "signing-ca.crt", "-CAkey",
        ca / "signing-ca/private/signing-ca.key", "-set_serial", str(secrets.randbits(120)), "-extfile", extensions,
        "-out", certificate, input=request)
    shutil.copy(STAGE / "agg/cert/cert_chain.crt", site / "cert/cert_chain.crt")
    return site


def run(*words, **more):
    return subprocess.run(list(map(str, words)), check=True, capture_output=True, **more).stdout


class Aggregator:
    """The process, what it said of its results and rounds, and what each round cost it."""

    def __init__(self, site, wrapped=()):
        self.taken, self.rounds, self.cpu, self.peak, self.log = {}, [], [], 0, []
        self.changed = threading.Condition()
        self.began = time.monotonic()
        self.process = subprocess.Popen([*wrapped, PROGRAMS / "vouch", "aggregator", "start", "--log-format", "json",
                                         "--log-level", "info"], cwd=site, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=environment(site))
        self.reader = threading.Thread(target=self.read_log, daemon=True)
        self.reader.start()
        for line in self.process.stdout:
            if line.startswith("listening"):
                break
        else:
            self.reader.join(10)
            raise SystemExit("the aggregator ended before it listened:\n" + "".join(self.log[-20:]))
        self.listening = time.monotonic() - self.began
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        self.pid = self.process.pid
        if wrapped:
            self.pid = int(pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()[0])

    def read_log(self):
        for line in self.process.stderr:
            self.log = self.log[-200:] + [line]
            with contextlib.suppress(ValueError), self.changed:
                self.take(json.loads(line))
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def take(self, event):
        if event.get("event") == "result.taken":
            self.taken[event["collaborator"]] = self.taken.get(event["collaborator"], 0) + 1
        if event.get("event") == "round.finished":
            self.rounds.append(event["milliseconds"] / 1000)
            threads = pathlib.Path(f"/proc/{self.pid}/task").glob("*/schedstat")
            self.cpu.append(sum(int(t.read_text().split()[0]) for t in threads) / 1e9)
            lines = pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines()
            self.peak = 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

    def wait_for(self, what, seconds):
        with self.changed:
            if not self.changed.wait_for(lambda: what() or not self.reader.is_alive(), seconds) or not what():
                self.process.kill()
                raise SystemExit("the aggregator failed:\n" + "".join(self.log[-20:]))

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, 9)
        self.process.wait(30)


def environment(site):
    return dict(os.environ, ATTESTATION_REPORT_PATH=str(site), ROOT_CERT_PATH=str(site))


def give_model(sites, size, tensors):
    """One file that all have: nobody writes it."""
    init_model(STAGE / "init.pbuf", size, tensors)
    for site in sites:
        (site / "save/init.pbuf").unlink(missing_ok=True)
        os.link(STAGE / "init.pbuf", site / "save/init.pbuf")


def clear():
    for inside in STAGE.iterdir():
        shutil.rmtree(inside) if inside.is_dir() else inside.unlink()


class Played:
    """A federation from its first round to its last."""

    def __init__(self, size, tensors, count, attested=False, flooded=False):
        clear()
        names, port = [f"col{i}" for i in range(1, count + 1)], free_port()
        agg = make_aggregator(port, names, ROUNDS)
        sites = [make_collaborator(n, port, names, ROUNDS) for n in names]
        give_model([agg, *sites], size, tensors)
        wrapped = attest(agg, dict(zip(names, sites))) if attested else ()
        aggregator = Aggregator(agg, wrapped)
        more = ["plan/attestation.yaml"] if attested else []
        peers = [subprocess.Popen([*wrapped, NOOP, n, f"localhost:{port}", *more], cwd=site, env=environment(site),
                                  stderr=subprocess.DEVNULL) for n, site in zip(names, sites)]
        with flood(port) if flooded else contextlib.nullcontext() as attempts:
            aggregator.wait_for(lambda: len(aggregator.rounds) == ROUNDS, 600)
            self.attempts = attempts and attempts() / (time.monotonic() - aggregator.began)
        for p in peers:
            p.wait(60)
        aggregator.process.wait(60)
        self.round = statistics.median(aggregator.rounds[1:])
        self.cpu = (aggregator.cpu[-1] - aggregator.cpu[0]) / (ROUNDS - 1)
        self.peak = aggregator.peak
        self.raw, self.raw_cpu = raw_tls(agg, 2 * count * size)  # down and up, each
        self.disk = disk(size, count)

    def row_of_round(self, name, limit=None):
        own = f"raw TLS {self.raw:.3f} s, disk {self.disk:.3f} s"
        if limit is None:
            row(name, self.round, "s", 2 * self.raw + self.disk, f"at most 2 x raw TLS and the disk; {own}")
        else:
            row(name, self.round, "s", limit + self.disk, f"at most {limit} s and the disk; {own}")


def attack(port, count):
    """Connections without end: four in five send noise, the fifth is a TLS handshake without a certificate."""
    os.nice(19)  # on the attacker's machines, not on ours
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("localhost", port), 5) as s:
            count.value += 1
            if count.value % 5:
                s.sendall(os.urandom(1024))
            else:
                with context.wrap_socket(s) as tls:
                    tls.recv(1)


@contextlib.contextmanager
def flood(port):
    """Two such attackers; gives how many connections they have made."""
    counts = [multiprocessing.Value("Q", 0) for _ in range(2)]
    attackers = [multiprocessing.Process(target=attack, args=(port, c), daemon=True) for c in counts]
    for a in attackers:
        a.start()
    try:
        yield lambda: sum(c.value for c in counts)
    finally:
        for a in attackers:
            a.kill()
            a.join()


def attest(agg, sites):
    """Both roles attested on a simulated platform; returns what a program is run under."""
    platform = STAGE / "platform"
    run(PROGRAMS / "vouch-sim", "platform", "create", platform, "--vendor", STAGE / "vendor")
    measured = {role: json.loads(run(PROGRAMS / "vouch-sim", "measure", "--json", "--", program))["mrenclave"]
                for role, program in (("aggregator", PROGRAMS / "vouch"), ("collaborator", NOOP))}
    own = {"localhost": ("aggregator", agg, "cert/server/agg_localhost")}
    own |= {n: ("collaborator", site, f"cert/client/col_{n}") for n, site in sites.items()}
    federation = {
        "id": new_federation_id(), "from": "2020-01-01T00:00:00Z", "enable": {"aggregator": True, "collaborator": True},
        "initial_model": hashlib.sha256((STAGE / "init.pbuf").read_bytes()).hexdigest(),
        "participants": [{"name": n, "role": role, "enrolment": spki_digest(site / f"{path}.crt")}
                         for n, (role, site, path) in own.items()],
        "measurements": {role: [{"mrenclave": m}] for role, m in measured.items()},
        "tcb": {"accept": ["UpToDate"]}, "token": "off", "channel": "key",
        "roots": [certificate_digest(platform / "root.pem")],
        "model_export": "clear", "certificate_life_h": 24, "reattest_min": 60}
    for _, site, path in own.values():
        local = {"collateral": {"dir": str(platform / "collateral")},
                 "enrolment": {"cert": f"{path}.crt", "key": f"{path}.key"}}
        (site / "plan/attestation.yaml").write_text(attestation_yaml(federation, local))
    return [PROGRAMS / "vouch-sim", "run", "--platform", platform, "--"]


def disk(size, count):
    """Seconds to write and sync what one round commits."""
    block, began = os.urandom(1 << 20), time.monotonic()
    for i in range(count + 2):
        with open(STAGE / f"commit{i}", "wb", buffering=0) as out:
            for at in range(0, size, len(block)):
                out.write(block[:size - at])
            os.fsync(out.fileno())
    took = time.monotonic() - began
    for i in range(count + 2):
        (STAGE / f"commit{i}").unlink()
    return took


def raw_tls(agg, size):
    """Seconds, and one end's processor seconds, for `size` bytes over one TLS 1.3 connection on a socket pair."""
    serve = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serve.load_cert_chain(agg / "cert/server/agg_localhost.crt", agg / "cert/server/agg_localhost.key")
    ask = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ask.check_hostname, ask.verify_mode = False, ssl.CERT_NONE
    left, right = socket.socketpair()
    chunk = bytes(1 << 20)
    pid = os.fork()
    if pid == 0:
        with serve.wrap_socket(left, server_side=True) as out:
            for _ in range(size // len(chunk)):
                out.sendall(chunk)
            out.recv(1)
        os._exit(0)
    left.close()
    taken, room = 0, bytearray(1 << 18)
    with ask.wrap_socket(right) as tls:
        began, spent = time.monotonic(), time.process_time()
        while taken < size // len(chunk) * len(chunk):
            taken += tls.recv_into(room)
        seconds, spent = time.monotonic() - began, time.process_time() - spent
        tls.send(b".")
    os.waitpid(pid, 0)
    return seconds, spent


def exec_time():
    """Seconds from exec to exit of a command that only says its version: loading alone."""
    took = []
    for _ in range(5):
        began = time.monotonic()
        subprocess.run([PROGRAMS / "vouch", "--version"], check=True, capture_output=True)
        took.append(time.monotonic() - began)
    return min(took)


def listening_time(starts=11):
    """Seconds from exec to listening, at the first start of a federation: the median, as one is a lottery of the machine."""
    took = []
    for _ in range(starts):
        shutil.rmtree(STAGE / "agg/state", ignore_errors=True)
        aggregator = Aggregator(STAGE / "agg")
        took.append(aggregator.listening)
        aggregator.stop()
    return statistics.median(took)


def row(name, value, unit, limit, target):
    """`met`: the value is at most the limit. Without a limit: for comparison."""
    print(json.dumps({"name": name, "value": round(value, 4), "unit": unit, "limit": limit and round(limit, 4),
                      "ratio": round(value / limit, 3) if limit else None,
                      "met": value <= limit if limit else None, "target": target}), flush=True)


def bench_100mb():
    plain = Played(100_000_000, 10, 2)
    plain.row_of_round("round_100mb_2")
    row("round_100mb_2_aggregator_cpu", plain.cpu, "s CPU", 0.6, f"at most 0.6 s; one end of raw TLS {plain.raw_cpu:.2f} s")
    row("round_100mb_2_aggregator_rss", plain.peak / 1e6, "MB", 150, "at most 150 MB; the model is 100 MB")
    flooded = Played(100_000_000, 10, 2, flooded=True)
    row("round_100mb_2_flooded", flooded.round, "s", 2 * plain.round,
        f"at no less than half speed, {flooded.attempts:.0f} hostile connections a second beside")
    attested = Played(100_000_000, 10, 2, attested=True)
    row("round_100mb_2_attested", attested.round, "s", 1.5 * plain.round,
        f"sealed at rest; at most 1.5 x the plain row; CPU {attested.cpu:.2f} s")


def bench_10mb():
    played = Played(10_000_000, 10, 2)
    row("round_10mb_2", played.round, "s", None, f"for comparison; raw TLS {played.raw:.3f} s, disk {played.disk:.3f} s")
    row("round_10mb_2_aggregator_cpu", played.cpu, "s CPU", None, "for comparison")
    row("round_10mb_2_aggregator_rss", played.peak / 1e6, "MB", None, "for comparison")
    row("aggregator_exec_to_listening", listening_time() * 1000, "ms", 20,
        f"at most 20 ms, the median of 11 starts, 10 MB model; loading the program alone {exec_time() * 1000:.1f} ms")


def bench_10mb_200_tensors():
    Played(10_000_000, 200, 2).row_of_round("round_10mb_200_tensors_2", 0.25)


def bench_10mb_8():
    Played(10_000_000, 10, 8).row_of_round("round_10mb_8", 0.5)


def bench_300mb():
    played = Played(300_000_000, 10, 2)
    row("round_300mb_2_aggregator_rss", played.peak / 1e6, "MB", 400, f"at most 400 MB; round {played.round:.2f} s")


def one_round_of_many(count, size):
    """Seconds and peak bytes; each is a process of its own that is ended when its results are taken."""
    clear()
    names, port = [f"col{i}" for i in range(count)], free_port()
    agg = make_aggregator(port, names, 1)
    sites = {n: make_collaborator(n, port, names, 1) for n in names}
    give_model([agg, *sites.values()], size, 10)
    aggregator = Aggregator(agg)
    running, began = {}, time.monotonic()
    for n in [*names, *[None] * MANY_AT_A_TIME]:
        if len(running) == MANY_AT_A_TIME or n is None:
            aggregator.wait_for(lambda: any(aggregator.taken.get(r) == 3 for r in running) or not running, 300)
        for done in [r for r in running if aggregator.taken.get(r) == 3]:
            running[done].kill()
            running.pop(done).wait()
        if n is not None:
            running[n] = subprocess.Popen([NOOP, n, f"localhost:{port}"], cwd=sites[n], stderr=subprocess.DEVNULL)
    aggregator.wait_for(lambda: aggregator.rounds, 300)
    took = time.monotonic() - began
    aggregator.stop()
    return took, aggregator.peak


def bench_many():
    size = 10_000_000
    count = min(MANY, int(shutil.disk_usage(STAGE).free * 0.8) // size)
    few, _ = one_round_of_many(count // 4, size)
    took, peak = one_round_of_many(count, size)
    row("round_10mb_many", took, "s", 1.2 * 4 * few,
        f"{count} collaborators, {MANY_AT_A_TIME} processes at a time; linear: at most 1.2 x 4 x the {few:.1f} s of a fourth")
    row("round_10mb_many_aggregator_rss", peak / 1e6, "MB", 300, f"at most 300 MB; {count} collaborators")


def main():
    benches = {"10mb": bench_10mb, "10mb_200_tensors": bench_10mb_200_tensors, "10mb_8": bench_10mb_8,
               "100mb": bench_100mb, "300mb": bench_300mb, "many": bench_many}
    for name in sys.argv[3:] or benches:
        benches[name]()


try:
    main()
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
