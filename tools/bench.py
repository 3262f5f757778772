#!/usr/bin/env python3
"""Run every benchmark of a build, print a table, write BUILD/bench/results.json.

usage: tools/bench.py BUILD [NAME-PART]...

A benchmark prints JSON lines {"name", "value", "unit", "limit", "ratio", "target"}: value is what was
measured, limit the physical limit or the peer measured in the same run, ratio = value / limit, target the
ratio or value aimed at (text). A benchmark that knows says in "met" whether the target was: one missed is shown
as missed, never as an error.
"""
import json
import pathlib
import platform
import subprocess
import sys


def rows_of(command):
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        print(f"{command[0]}: exit status {run.returncode}\n{run.stderr}", file=sys.stderr)
        return [], True
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")], False


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model name")), "unknown processor")
    return f"{model}, {platform.system()} {platform.release()}"


def show(value):
    return "–" if value is None else f"{value:,.2f}" if isinstance(value, float) else str(value)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    build, parts = pathlib.Path(sys.argv[1]), sys.argv[2:]
    listed = json.loads(subprocess.run(["meson", "introspect", "--benchmarks", str(build)], check=True,
                                       capture_output=True, text=True).stdout)
    results, broken = [], False
    print(f"machine: {machine()}")
    print(f"{'name':32} {'value':>14} {'unit':8} {'limit':>14} {'ratio':>8}  target")
    for bench in listed:
        if parts and not any(p in bench["name"] for p in parts):
            continue
        rows, failed = rows_of(bench["cmd"])
        broken |= failed
        for row in rows:
            results.append(row)
            verdict = {True: "met: ", False: "MISSED: "}.get(row.get("met"), "")
            print(f"{row['name']:32} {show(row['value']):>14} {row['unit']:8} {show(row.get('limit')):>14}"
                  f" {show(row.get('ratio')):>8}  {verdict}{row.get('target', '')}", flush=True)
    out = build / "bench" / "results.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=1) + "\n")
    print(f"written: {out}")
    sys.exit(1 if broken or not results else 0)


main()
