#!/usr/bin/env python3
"""What an aggregator does for whom it has not admitted: little, for few, and not for long.

usage: limits_test.py DIRECTORY-OF-PROGRAMS
"""
import contextlib
import os
import pathlib
import re
import resource
import shutil
import socket
import sys
import tempfile
import time

import tap
from federation import Process, Site
from ports import free_port

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-limits-"))
ENV = {}


def a_federation_is_made():
    agg = ENV["agg"] = Site(STAGE / "aggregator", PROGRAMS)
    agg.run("vouch", "workspace", "create", "--prefix", STAGE / "template")
    plan = (STAGE / "template/plan/plan.yaml").read_text()
    ENV["port"] = free_port()
    plan = plan.replace("agg_addr: auto", "agg_addr: localhost").replace("agg_port: auto", f"agg_port: {ENV['port']}")
    (agg / "plan/plan.yaml").write_text(plan)
    (agg / "plan/cols.yaml").write_text("collaborators:\n- col1\n")
    agg.run("vouch", "workspace", "certify")
    agg.run("vouch", "aggregator", "generate-cert-request", "--fqdn", "localhost")
    agg.run("vouch", "aggregator", "certify", "--fqdn", "localhost", "-s")
    agg.run("vouch", "plan", "initialize")


@contextlib.contextmanager
def aggregator(*more):
    with Process([PROGRAMS / "vouch", "aggregator", "start", "--log-format", "json", "--log-level", "info", *more],
                 ENV["agg"].directory, STAGE / "aggregator.log") as process:
        process.event("aggregator.listening")
        yield process


def connect(source="127.0.0.1"):
    one = socket.create_connection(("127.0.0.1", ENV["port"]), timeout=10, source_address=(source, 0))
    one.setblocking(False)
    return one


def is_closed(one):
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def closed_after(sockets, seconds=0.5):
    time.sleep(seconds)
    return sum(is_closed(one) for one in sockets)


def sixty_four_of_one_address_may_wait_and_ten_seconds_only():
    with aggregator() as process, contextlib.ExitStack() as stack:
        began = time.monotonic()
        waiting = [stack.enter_context(connect()) for _ in range(64)]
        assert closed_after(waiting) == 0
        more = [stack.enter_context(connect()) for _ in range(3)]
        assert closed_after(more) == 3
        refused = process.event("connection.refused")
        assert "of this address" in refused["reason"], refused
        elsewhere = stack.enter_context(connect("127.0.0.2"))
        assert not is_closed(elsewhere)
        while closed_after(waiting) < 64:
            assert time.monotonic() - began < 25, "they wait for ever"
        assert 9 < time.monotonic() - began < 25
        assert not is_closed(stack.enter_context(connect())), "there is room again"


def the_number_of_one_address_is_a_setting():
    with aggregator("--ungated-per-address", "2"), contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(connect()) for _ in range(3)]
        assert closed_after(waiting) == 1


def two_thousand_may_wait_in_all():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        raise tap.Skip(f"only {hard} open files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
    try:
        with aggregator() as process, contextlib.ExitStack() as stack:
            began = time.monotonic()
            waiting = [stack.enter_context(connect(f"127.0.1.{i // 60 + 1}")) for i in range(2000)]
            last = stack.enter_context(connect("127.0.2.1"))
            if time.monotonic() - began > 8:
                raise tap.Skip("this machine is too slow to have 2,000 connections wait at once")
            assert closed_after([last]) == 1 and closed_after(waiting, 0) == 0
            process.event("connection.refused", reason="too many connections that are not admitted yet")
            memory = int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{process.child.pid}/status").read_text())[1])
            # a sanitizer's own memory is another matter
            assert "VOUCH_TEST_SANITIZED" in os.environ or memory < 160 << 10, f"{memory} kB for 2,000 that are nobody"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


try:
    tap.run(a_federation_is_made, sixty_four_of_one_address_may_wait_and_ten_seconds_only,
            the_number_of_one_address_is_a_setting, two_thousand_may_wait_in_all)
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
