#!/usr/bin/env python3
"""The verification service under load, both ends on this machine.

usage: verifyd.py DIRECTORY-OF-PROGRAMS VERIFYD-LOAD     Prints JSON lines, see tools/bench.py.

The limit of an attestation is the cost of what it cannot do without: two RSA-3072 signatures (nonce, token) and one
P-256 verification (a known platform's quote), on as many threads as there are processors. Slices of load and of
signatures alone take turns, so that whatever else the machine does falls on both; medians are shown.
"""
import json
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAMS, LOAD = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-bench-"))
SLICES, SLICE_S, CONNECTIONS, IDLE = 5, 3, 32, 2000


def out_of(*words):
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True).stdout


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def make_service():
    port = free_port()
    out_of(PROGRAMS / "vouch-sim", "platform", "create", STAGE / "platform")
    made = json.loads(out_of(
        PROGRAMS / "vouch-verifyd", "init", STAGE / "service", "--host", "127.0.0.1", "--listen", f"127.0.0.1:{port}",
        "--root", STAGE / "platform/root.pem", "--collateral-dir", STAGE / "platform/collateral", "--json"))
    config = pathlib.Path(made["config"])
    config.write_text(config.read_text() + "limits: {requests_per_s: 100000, burst: 1000000}\n")
    return made, port


def start(made):
    """The service, and the seconds from exec to ready."""
    began = time.monotonic()
    service = subprocess.Popen([PROGRAMS / "vouch-verifyd", "--config", made["config"]], stdout=subprocess.PIPE,
                               text=True)
    assert service.stdout.readline().startswith("listening")
    return service, time.monotonic() - began


def stop(service):
    service.terminate()
    service.wait(20)


def cpu_of(service):
    """Processor seconds so far."""
    fields = pathlib.Path(f"/proc/{service.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def rss_mb(service):
    text = pathlib.Path(f"/proc/{service.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) * 1024 / 1e6


def row(name, value, unit, limit, target):
    print(json.dumps({"name": name, "value": round(value, 3), "unit": unit,
                      "limit": round(limit, 3) if limit else None,
                      "ratio": round(value / limit, 3) if limit else None, "target": target}), flush=True)


def measure_throughput(made, port, service):
    """Attestations per second, and what one costs in processor time, service and load together."""
    per_s, limits, ratios, costs, cost_limits = [], [], [], [], []
    for _ in range(SLICES):
        alone = json.loads(out_of(LOAD, "signatures", STAGE / "service/token/token.key", SLICE_S / 2))
        before = cpu_of(service)
        load = json.loads(out_of(LOAD, "closed", "127.0.0.1", port, made["api_key_file"], STAGE / "platform",
                                 CONNECTIONS, SLICE_S))
        served = (cpu_of(service) - before) * 1000 / load["count"]
        again = json.loads(out_of(LOAD, "signatures", STAGE / "service/token/token.key", SLICE_S / 2))
        limit = (alone["per_s"] + again["per_s"]) / 2
        per_s.append(load["per_s"])
        limits.append(limit)
        ratios.append(load["per_s"] / limit)
        costs.append(served + load["cpu_ms"])
        cost_limits.append((alone["cpu_ms"] + again["cpu_ms"]) / 2)
    row("verifyd_attestations", statistics.median(per_s), "1/s", statistics.median(limits),
        "at least 0.8 x the signatures, load generator included")
    row("verifyd_attestation_cpu", statistics.median(costs), "ms CPU", statistics.median(cost_limits),
        "for comparison")
    return statistics.median(per_s)


def measure_latency(made, port, capacity):
    load = json.loads(out_of(LOAD, "open", "127.0.0.1", port, made["api_key_file"], STAGE / "platform",
                             4 * CONNECTIONS, 4 * SLICE_S, capacity * 0.7))
    row("verifyd_p99_at_70_percent", load["p99_ms"], "ms", load["median_ms"],
        "under 5 x the median, nonce, quote and token together")


def measure_idle(port, service):
    before = rss_mb(service)
    held = subprocess.Popen([LOAD, "idle", "127.0.0.1", str(port), str(IDLE)], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    assert held.stdout.readline() == "open\n"
    time.sleep(1)
    row("verifyd_idle_2000_rss", rss_mb(service), "MB", before, "under 200 MB; limit: without connections")
    held.stdin.close()
    held.wait(20)


def main():
    made, port = make_service()
    starts = []
    for _ in range(5):
        service, seconds = start(made)
        starts.append(seconds * 1000)
        stop(service)
    loading = []
    for _ in range(5):
        began = time.monotonic()
        out_of(PROGRAMS / "vouch-verifyd", "--version")
        loading.append((time.monotonic() - began) * 1000)
    row("verifyd_start_to_ready", min(starts), "ms", min(loading), "under 100 ms; limit: loading the program")
    service, _ = start(made)
    try:
        measure_idle(port, service)
        capacity = measure_throughput(made, port, service)
        measure_latency(made, port, capacity)
    finally:
        stop(service)


try:
    main()
finally:
    shutil.rmtree(STAGE)
