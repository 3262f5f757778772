#!/usr/bin/env python3
"""A federated round with two Vouch collaborators that train nothing, over mutual TLS on this machine.

usage: round.py DIRECTORY-OF-PROGRAMS NOOP-COLLABORATOR     Prints JSON lines, see tools/bench.py.

The limit of a round is the time that raw TLS 1.3 (AES-256-GCM, OpenSSL, one connection at a time over a
socket pair, both ends on this machine) needs for the same bytes, measured in the same run.
"""
import json
import os
import pathlib
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

PROGRAMS, NOOP = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-bench-"))
ROUNDS = 5
NAMES = ["col1", "col2"]

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


def make_site(name, port):
    site = STAGE / name
    for inside in ("plan", "cert", "save"):
        (site / inside).mkdir(parents=True, exist_ok=True)
    (site / "plan/plan.yaml").write_text(PLAN.format(rounds=ROUNDS, port=port))
    (site / "plan/cols.yaml").write_text("collaborators:\n" + "".join(f"- {n}\n" for n in NAMES))
    return site


def make_federation():
    port = free_port()
    sites = {name: make_site(name, port) for name in ["agg", *NAMES]}
    vouch(sites["agg"], "workspace", "certify")
    vouch(sites["agg"], "aggregator", "generate-cert-request", "--fqdn", "localhost")
    vouch(sites["agg"], "aggregator", "certify", "--fqdn", "localhost", "-s")
    for n in NAMES:
        vouch(sites[n], "collaborator", "generate-cert-request", "-n", n, "-s")
        vouch(sites["agg"], "collaborator", "certify", "--request-pkg",
              str(sites[n] / f"col_{n}_to_agg_cert_request.zip"), "-s")
        vouch(sites[n], "collaborator", "certify", "--import", str(sites["agg"] / f"agg_to_col_{n}_signed_cert.zip"))
    return sites, port


def wait_until_it_listens(process):
    """Read its output up to the line that says so; the rest is read away, so that it never waits for us."""
    for line in process.stdout:
        if line.startswith("listening"):
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return
    raise SystemExit("the aggregator ended before it listened")


def play(sites, port):
    """Round times, the aggregator's rusage, and its time from exec to listening."""
    log = open(STAGE / "agg.log", "w+")
    began = time.monotonic()
    aggregator = subprocess.Popen([PROGRAMS / "vouch", "aggregator", "start", "--log-format", "json",
                                   "--log-level", "info"], cwd=sites["agg"], stdout=subprocess.PIPE,
                                  stderr=log, text=True)
    wait_until_it_listens(aggregator)
    listening = time.monotonic() - began
    peers = [subprocess.Popen([NOOP, n, f"localhost:{port}"], cwd=sites[n]) for n in NAMES]
    _, status, usage = os.wait4(aggregator.pid, 0)
    aggregator.returncode = os.waitstatus_to_exitcode(status)
    for p in peers:
        p.wait(60)
    if aggregator.returncode != 0:
        log.seek(0)
        raise SystemExit("the aggregator failed:\n" + log.read()[-2000:])
    log.seek(0)
    rounds = [json.loads(line)["milliseconds"] / 1000 for line in log if '"round.finished"' in line]
    return rounds, usage, listening


def raw_tls(certificate, key, size):
    """Seconds, and one end's processor seconds, for `size` bytes over one TLS 1.3 connection on a socket pair."""
    serve = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serve.load_cert_chain(certificate, key)
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


def row(name, value, unit, limit, target):
    ratio = round(value / limit, 3) if limit else None
    print(json.dumps({"name": name, "value": round(value, 4), "unit": unit,
                      "limit": round(limit, 4) if limit else None, "ratio": ratio, "target": target}), flush=True)


def measure(label, size, tensors, sites, port, targets):
    init_model(sites["agg"] / "save/init.pbuf", size, tensors)
    for n in NAMES:
        shutil.copy(sites["agg"] / "save/init.pbuf", sites[n] / "save/init.pbuf")
    rounds, usage, listening = play(sites, port)
    moved = size * len(NAMES) * 2  # down and up, each
    raw, raw_cpu = raw_tls(sites["agg"] / "cert/server/agg_localhost.crt", sites["agg"] / "cert/server/agg_localhost.key", moved)
    later = rounds[1:]
    row(f"round_{label}", sum(later) / len(later), "s", raw, targets[0])
    row(f"round_{label}_aggregator_cpu", (usage.ru_utime + usage.ru_stime) / len(rounds), "s CPU", raw_cpu, targets[1])
    row(f"round_{label}_aggregator_rss", usage.ru_maxrss / 1024, "MB", size / 1e6, targets[2])
    return listening


def main():
    sites, port = make_federation()
    listening = measure("10mb_2", 10_000_000, 10, sites, port, ("limit: raw TLS for the same bytes", "for comparison", "for comparison"))
    measure("100mb_2", 100_000_000, 10, sites, port,
            ("at most 2 x raw TLS and the disk", "at most 0.6 s", "at most 150 MB"))
    row("aggregator_exec_to_listening", listening * 1000, "ms", exec_time() * 1000, "at most 20 ms, not attested")


try:
    main()
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
