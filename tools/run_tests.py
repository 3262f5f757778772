#!/usr/bin/env python3
"""Run the tests of build directories, read their TAP, and end with 'N passed, M failed'.

usage: tools/run_tests.py BUILD... [--suite NAME]... [NAME-PART]...

A word that is no directory with a build in it is part of the names of the tests to run. Without --suite all
run but `interop`.

Exit status 1 if anything failed or nothing ran. A skip is printed with its reason and counted. A test's line
`# row TITLE | CELL | ...` becomes a row of the table TITLE, printed before the end.
"""
import argparse
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import time

LINE = re.compile(r"^(not ok|ok)\b\s*\d*\s*-?\s*(.*?)(?:\s*#\s*(SKIP|TODO)\b\s*(.*))?$", re.I)


def listed(build):
    text = subprocess.run(["meson", "introspect", "--tests", build], check=True,
                          capture_output=True, text=True).stdout
    name = os.path.basename(os.path.abspath(build))
    return [dict(t, name=t["name"] if name == "build" else f"{name}: {t['name']}")
            for t in json.loads(text)]


def is_build(word):
    return os.path.exists(os.path.join(word, "build.ninja"))


def run(test):
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", **test["env"])
    began = time.monotonic()
    process = subprocess.Popen(test["cmd"], env=env, cwd=test["workdir"], text=True,
                               stdin=subprocess.DEVNULL, errors="replace",
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True)
    try:
        output, _ = process.communicate(timeout=test["timeout"] or None)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        output += f"\nkilled after {test['timeout']} s\n"
        status = -1
    return output, status, time.monotonic() - began


def is_wanted(suites, asked):
    # what needs the network beyond package installation runs only when it is asked for
    return bool(suites & set(asked)) if asked else "interop" not in suites


def count(output, status):
    passed, failed, skipped, planned = [], [], [], None
    for line in output.splitlines():
        plan = re.match(r"^1\.\.(\d+)", line)
        found = LINE.match(line)
        if plan:
            planned = int(plan[1])
        elif found and found[3] and found[3].upper() == "SKIP":
            skipped.append(f"{found[2]} ({found[4] or 'no reason given'})")
        elif found:
            (passed if found[1].lower() == "ok" else failed).append(found[2])
    seen = len(passed) + len(failed) + len(skipped)
    if status != 0 and not failed:
        failed.append(f"exit status {status}")
    elif planned is None or planned != seen:
        failed.append(f"planned {planned} tests, saw {seen}")
    return passed, failed, skipped


def print_tables(rows):
    """`rows`: TITLE and cells of each, in the order of the tests."""
    for title in dict.fromkeys(r[0] for r in rows):
        table = [r[1:] for r in rows if r[0] == title]
        widths = [max(len(r[i]) for r in table if i < len(r)) for i in range(max(map(len, table)))]
        print(f"\n{title}")
        for r in table:
            print("  " + "  ".join(c.ljust(w) for c, w in zip(r, widths)).rstrip())
    if rows:
        print()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", action="append", default=[])
    # one more than there are processors: most tests wait for processes, timers and disks a quarter of their time
    parser.add_argument("--jobs", type=int, default=(os.cpu_count() or 1) + 1)
    parser.add_argument("words", nargs="+", metavar="BUILD|NAME-PART")
    args = parser.parse_intermixed_args()
    parts = [w for w in args.words if not is_build(w)]
    tests = [t for build in args.words if is_build(build) for t in listed(build)
             if is_wanted({s.split(":")[-1] for s in t["suite"]}, args.suite)
             and (not parts or any(p in t["name"] for p in parts))]
    totals = [0, 0, 0]
    rows = []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for test, (output, status, seconds) in zip(tests, pool.map(run, tests)):
            passed, failed, skipped = count(output, status)
            rows += [[c.strip() for c in line[6:].split("|")] for line in output.splitlines()
                     if line.startswith("# row ")]
            totals = [t + len(n) for t, n in zip(totals, (passed, failed, skipped))]
            print(f"{'FAIL' if failed else 'ok  '} {test['name']:44} {len(passed):4} passed"
                  f"{seconds:8.2f} s", flush=True)
            for reason in skipped:
                print(f"     SKIPPED: {reason}")
            if failed:
                print("     " + "\n     ".join(failed))
                print("     | " + "\n     | ".join(output.splitlines()[-60:]), flush=True)
    print_tables(rows)
    tail = f", {totals[2]} skipped" if totals[2] else ""
    print(f"{totals[0]} passed, {totals[1]} failed{tail}")
    sys.exit(1 if totals[1] or not totals[0] else 0)


main()
