#!/usr/bin/env python3
"""No attested private key leaves its process: not into a file, a log, an argument, the environment or a core dump.

The keys are looked for, not assumed: as the host's operator may, and a TEE prevents, this test reads the memory of a
running demo's participants, finds each private key by its public one, and then searches everything else for it. On
TDX, so that Linux's own means against dumps are in force (under Gramine's limits the enclave's stand in for them).

usage: no_key_leaks_test.py DIRECTORY-OF-PROGRAMS
"""
import base64
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

import tap
from private_keys import look, needles, private_keys, spki_point

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-leaks-"))
KEEP = STAGE / "demo"
NAMES = ("aggregator", "hospital1", "hospital2")
SEEN = {}


def participants():
    """pid of each attested participant: programs below vouch-sim below the demo."""
    parents = {}
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        parents[int(status.parent.name)] = int(re.search(r"^PPid:\s(\d+)", text, re.M)[1])

    def below(pid):
        while pid in parents:
            if pid == SEEN["demo"].pid:
                return True
            pid = parents[pid]
        return False

    found = {}
    for pid in filter(below, parents):
        try:
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"/vouch") and b"start" in words[1:3]:
            role = words[1].decode()
            found[words[words.index(b"-n") + 1].decode() if b"-n" in words else role] = pid
    return found


def wait_for(what, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answer = what()
        if answer:
            return answer
        assert SEEN["demo"].poll() is None, (STAGE / "demo.out").read_text()
        time.sleep(0.1)
    raise AssertionError((STAGE / "demo.out").read_text())


def a_demo_runs_and_its_participants_are_looked_into():
    if os.geteuid() != 0:
        raise tap.Skip("reading other processes' memory needs root")
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    SEEN["demo"] = subprocess.Popen(
        [PROGRAMS / "vouch", "demo", "--tee", "tdx", "--collaborators", "2", "--rounds", "100", "--keep", KEEP],
        stdout=open(STAGE / "demo.out", "w"), stderr=subprocess.STDOUT, cwd=STAGE, start_new_session=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (hard, hard)))
    SEEN["looks"], found = {}, {}

    def look_at_who_is_ready():
        for name, pid in participants().items():
            if name in NAMES and name not in found and (KEEP / f"{name}/reports/{name}_passport.json").exists():
                os.kill(pid, signal.SIGSTOP)  # a federation of two may be over soon
                SEEN["looks"][name] = look(pid)
                os.kill(pid, signal.SIGCONT)
                found[name] = pid
        return len(found) == len(NAMES)

    wait_for(look_at_who_is_ready)
    os.kill(found["hospital2"], signal.SIGSEGV)  # a core dump, if anything allowed one
    wait_for(lambda: not pathlib.Path(f"/proc/{found['hospital2']}/exe").exists())
    SEEN["demo"].kill()  # its children die with it
    SEEN["demo"].wait(20)


def every_private_key_is_found_in_locked_memory():
    wanted = {}
    for name in SEEN["looks"]:
        passport = json.loads((KEEP / f"{name}/reports/{name}_passport.json").read_text())
        wanted[spki_point(passport["cert"])] = name
    wanted[spki_point((KEEP / "aggregator/reports/aggregator_root.pem").read_text())] = "the aggregator's CA"
    SEEN["keys"] = {}
    for look_ in SEEN["looks"].values():
        SEEN["keys"].update(private_keys(look_, wanted))
    assert set(SEEN["keys"]) == set(wanted.values()), SEEN["keys"].keys()
    SEEN["needles"] = [(name, needle) for name, scalar in SEEN["keys"].items() for needle in needles(scalar)]


def assert_absent(where, data):
    for name, needle in SEEN["needles"]:
        assert needle not in data, f"the key of {name} stands in {where}"


def locked_memory_is_left_out_of_dumps_and_dumps_are_off():
    for name, look_ in SEEN["looks"].items():
        assert look_["locked"], name
        assert all("dd" in flags for flags, _ in look_["locked"]), name
        assert re.search(r"Max core file size\s+0\s+0\s", look_["limits"]), look_["limits"]


def no_key_stands_in_the_rest_of_the_memory():
    for name, look_ in SEEN["looks"].items():
        for flags, data in look_["open"]:
            if "dd" not in flags:
                assert_absent(f"{name}'s ordinary memory", data)


def no_key_is_an_argument_or_in_the_environment():
    for name, look_ in SEEN["looks"].items():
        assert_absent(f"{name}'s arguments", look_["cmdline"])
        assert_absent(f"{name}'s environment", look_["environ"])


def no_key_is_in_any_file_or_log():
    files = [p for p in STAGE.rglob("*") if p.is_file()]
    assert any("jsonl" in p.name for p in files) and len(files) > 40
    for path in files:
        assert_absent(path, path.read_bytes())


def a_crash_leaves_no_core():
    assert not [p for p in STAGE.rglob("*") if p.name.startswith("core")]


def the_search_would_find_one():
    (name, scalar), *_ = SEEN["keys"].items()
    for text in (base64.b64encode(b"x" + scalar.to_bytes(48, "big") + b"yz"), scalar.to_bytes(48, "big").hex().encode(),
                 b"\x04\x30" + scalar.to_bytes(48, "big")):
        try:
            assert_absent("a file", b"before " + text + b" after")
        except AssertionError:
            continue
        raise RuntimeError("a key in plain sight was not seen")


def end():
    demo = SEEN.get("demo")
    if demo is not None and demo.poll() is None:
        os.killpg(demo.pid, signal.SIGKILL)


try:
    tap.run(a_demo_runs_and_its_participants_are_looked_into, every_private_key_is_found_in_locked_memory,
            locked_memory_is_left_out_of_dumps_and_dumps_are_off, no_key_stands_in_the_rest_of_the_memory,
            no_key_is_an_argument_or_in_the_environment, no_key_is_in_any_file_or_log, a_crash_leaves_no_core,
            the_search_would_find_one)
finally:
    end()
