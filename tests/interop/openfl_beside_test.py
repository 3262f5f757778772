#!/usr/bin/env python3
"""The real OpenFL's aggregator and ours, side by side in one run: the same real collaborators, the same model,
no training. A round is the time between two writes of save/last.pbuf; the first, with its start, is left out.

usage: openfl_beside_test.py DIRECTORY-OF-PROGRAMS BUILD [RELEASE [MEGABYTES]...]
"""
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import openfl_peer as peer  # noqa: E402
from openfl_peer import LOG, NAMES, Site, tap  # noqa: E402

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
BUILD = sys.argv[2]
RELEASE = sys.argv[3] if len(sys.argv) > 3 else "1.9"
SIZES = [int(n) for n in sys.argv[4:]] or [10, 100]
ROUNDS = 4
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-beside-"))
TITLE = f"Beside OpenFL {RELEASE}: its collaborators, no-op training, this machine, this run"
ENV = {}


def the_release_installs_into_a_virtual_environment():
    ENV["fx"] = peer.environment(BUILD, RELEASE) / "fx"


def one_authority_serves_all_runs():
    site = ENV["site"] = Site(STAGE / "site", PROGRAMS)
    peer.lay_out(site)
    site.run("vouch", "workspace", "certify")
    site.run("vouch", "aggregator", "generate-cert-request", "--fqdn", "localhost")
    site.run("vouch", "aggregator", "certify", "--fqdn", "localhost", "-s")
    for name in NAMES:
        site.run("vouch", "collaborator", "generate-cert-request", "-n", name, "-s", "-x")
        site.run("vouch", "collaborator", "certify", "-n", name, "-s")
    (site / "plan/data.yaml").write_text("".join(f"{n},data\n" for n in NAMES))


def spent(pid):
    """CPU seconds and peak resident MB of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    peak = next(line for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(peak.split()[1]) / 1024


def measure(words, site, label):
    """Seconds of each round but the first, CPU seconds of each, peak MB."""
    log = STAGE / f"{label}.log"
    runs = [(words, site, log)] + [([ENV["fx"], "collaborator", "start", "-n", name], site, STAGE / f"{label}-{name}.log")
                                   for name in NAMES]
    running = peer.start(runs)
    seen, stamps = None, []
    until = time.monotonic() + 900
    try:
        while len(stamps) < ROUNDS:
            ended = [p for p in running if p.child.poll() not in (None, 0)]
            assert not ended and time.monotonic() < until, (ended or running)[0].tail()
            try:
                at = os.stat(site / "save/last.pbuf").st_mtime_ns
            except FileNotFoundError:
                at = seen
            if at != seen:
                seen = at
                stamps.append((at / 1e9, *spent(running[0].child.pid)))
            time.sleep(0.02)
        peer.see_to_the_end(running)
    finally:
        for process in running:
            process.__exit__()
    rounds = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(stamps, stamps[1:])]
    return [r[0] for r in rounds], [r[1] for r in rounds], stamps[-1][2]


def both_aggregators_are_measured_with_the_same_real_collaborators():
    peer.table(TITLE, "model", "aggregator", "round, mean (least-most) s", "CPU per round s", "peak RSS MB")
    for size in SIZES:
        runner = ("src.noop.NoopDataLoader", "{}", "src.noop.NoopTaskRunner",
                  f"{{tensors: 10, elements: {size * 1000000 // 40}}}")
        found = {}
        for who, words in (("OpenFL", [ENV["fx"], "aggregator", "start"]),
                           ("Vouch", [PROGRAMS / "vouch", "aggregator", "start", "--openfl-release", RELEASE, *LOG])):
            site = peer.copy_of(ENV["site"], STAGE / f"{who}-{size}", release=RELEASE, rounds=ROUNDS, runner=runner)
            (site / "plan/cols.yaml").write_text("collaborators:\n" + "".join(f"- {n}\n" for n in NAMES))
            Site(site.directory, ENV["fx"].parent).run("fx", "plan", "initialize")
            walls, cpus, peak = found[who] = measure(words, site, f"{who}-{size}")
            peer.table(TITLE, f"{size} MB in 10 tensors, 2 collaborators", who,
                       f"{statistics.mean(walls):.2f} ({min(walls):.2f}-{max(walls):.2f})", f"{statistics.mean(cpus):.2f}",
                       f"{peak:.0f}")
            shutil.rmtree(site.directory)
        # no target, but what the product is for must hold on any machine
        assert statistics.mean(found["Vouch"][1]) < statistics.mean(found["OpenFL"][1]), found
        assert found["Vouch"][2] < found["OpenFL"][2], found


try:
    tap.run(
        the_release_installs_into_a_virtual_environment,
        one_authority_serves_all_runs,
        both_aggregators_are_measured_with_the_same_real_collaborators,
    )
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
