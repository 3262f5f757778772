#!/usr/bin/env python3
"""A certified collaborator that turns hostile, and strangers at the door, while two others train.

usage: hostile_peers_test.py DIRECTORY-OF-PROGRAMS
"""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import ssl
import struct
import sys
import tempfile
import threading
import time

import tap
from federation import DIGITS, Process, Site
from ports import free_port
from h2_raw import (CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
                    WINDOW_UPDATE, Peer, field, frame, header, message, request_headers)

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-hostile-"))
GOOD, EVIL = ("col1", "col2"), "evil"
LOG = ("--log-format", "json", "--log-level", "info")
ROUNDS = 400
MEMORY_MB = 64  # over what the aggregator had before; under a sanitizer memory is another matter
STRAGGLERS = """straggler_handling_policy:
  template: openfl.component.aggregator.straggler_handling.PercentagePolicy
  settings: {percent_collaborators_needed: 0.6, minimum_reporting: 2}
"""
ENV = {}


def our_commands_make_the_workspaces_and_the_pki():
    desk = Site(STAGE / "desk", PROGRAMS)
    desk.run("vouch", "workspace", "create", "--prefix", STAGE / "template")
    plan, ENV["port"] = (STAGE / "template/plan/plan.yaml").read_text(), free_port()
    for old, new in {"rounds_to_train: 10": f"rounds_to_train: {ROUNDS}", "agg_addr: auto": "agg_addr: localhost",
                     "agg_port: auto": f"agg_port: {ENV['port']}", "hidden: [32]": "hidden: [512, 512]",
                     "epochs: 5": "epochs: 1", "batch_size: 16": "batch_size: 512"}.items():
        assert old in plan, old
        plan = plan.replace(old, new)
    agg = ENV["agg"] = Site(STAGE / "aggregator", PROGRAMS)
    (agg / "plan/plan.yaml").write_text(plan + STRAGGLERS)
    agg.run("vouch", "workspace", "certify")
    agg.run("vouch", "aggregator", "generate-cert-request", "--fqdn", "localhost")
    agg.run("vouch", "aggregator", "certify", "--fqdn", "localhost", "-s")
    for i, name in enumerate((*GOOD, EVIL)):
        site = ENV[name] = Site(STAGE / name, PROGRAMS)
        site.run("vouch", "collaborator", "generate-cert-request", "-n", name, "-s")
        agg.run("vouch", "collaborator", "certify", "-r", site / f"col_{name}_to_agg_cert_request.zip", "-s")
        site.run("vouch", "collaborator", "certify", "-i", agg / f"agg_to_col_{name}_signed_cert.zip")
        (site / "plan/plan.yaml").write_text(plan + STRAGGLERS)
        (site / "plan/data.yaml").write_text(f"{name},{DIGITS}#{i}/40\n")
    agg.run("vouch", "plan", "initialize")
    ENV["uuid"] = agg.ask("vouch", "plan", "hash")["federation_uuid"]


def the_federation_runs():
    ENV["stack"] = contextlib.ExitStack()
    ENV["process"] = ENV["stack"].enter_context(Process(
        [PROGRAMS / "vouch", "aggregator", "start", "--listen", f"127.0.0.1:{ENV['port']}", *LOG],
        ENV["agg"].directory, STAGE / "aggregator.log"))
    ENV["process"].event("aggregator.listening")
    for name in GOOD:
        ENV[name + " process"] = ENV["stack"].enter_context(Process(
            [PROGRAMS / "vouch", "collaborator", "start", "-n", name, *LOG], ENV[name].directory,
            STAGE / f"{name}.log"))
    ENV["process"].event("round.finished", round=1, seconds=60)
    ENV["before"] = memory_mb()


def memory_mb():
    status = pathlib.Path(f"/proc/{ENV['process'].child.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def peer(settings=b""):
    return Peer(ENV["port"], ENV[EVIL], EVIL, settings)


def own_header():
    return field(1, EVIL) + field(2, "aggregator_" + ENV["uuid"]) + field(3, ENV["uuid"])


def rounds():
    return len(ENV["process"].events("round.finished"))


def still_serves():
    """The federation goes on: another round ends, the hostile one itself is answered, memory is bounded."""
    done, until = rounds(), time.monotonic() + 60
    while rounds() == done:
        assert ENV["process"].child.poll() is None, ENV["process"].tail()
        assert time.monotonic() < until, "no round ends any more\n" + ENV["process"].tail()
        time.sleep(0.05)
    with peer() as one:
        assert b"aggregator_" in one.call("Ping", field(1, own_header())), "no answer to a Ping"
    if "VOUCH_TEST_SANITIZED" not in os.environ:
        grown = memory_mb() - ENV["before"]
        assert grown < MEMORY_MB, f"the aggregator grew by {grown:.0f} MB"


def bytes_that_are_no_http_2_end_the_connection():
    with peer() as one:
        one.send(os.urandom(100000))
        assert one.is_hung_up()
    still_serves()


def ten_thousand_streams_are_cut_to_their_maximum():
    with peer() as one:
        for _ in range(10000):
            if one.closed:
                break
            one.open("GetTasks")
        refused = sum(kind == RST_STREAM for kind, _, _, _ in one.frames(3))
        assert one.closed or refused > 1000, refused
    still_serves()


def rapid_resets_end_the_connection():
    with peer() as one:
        for _ in range(10000):
            stream = one.open("GetTasks")
            if not one.send(frame(RST_STREAM, 0, stream, struct.pack(">I", 8))):
                break
        assert one.is_hung_up()
    still_serves()


def floods_of_control_frames_end_the_connection():
    for what in (frame(SETTINGS), frame(PING, 0, 0, b"12345678"), frame(PRIORITY, 0, 1, b"\0\0\0\0\1"),
                 frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1000) * 32)):
        with peer() as one:
            for _ in range(100):
                if not one.send(what * 200):
                    break
            assert one.is_hung_up(), what
    still_serves()


def header_bombs_reset_the_stream_or_end_the_connection():
    with peer() as one:  # one header list of a megabyte
        block = request_headers("GetTasks") + b"".join(header(f"x-{i}", "y" * 100) for i in range(8000))
        pieces = [block[at:at + 16000] for at in range(0, len(block), 16000)]
        one.send(frame(HEADERS, 0, 1, pieces[0]))
        for piece in pieces[1:-1]:
            one.send(frame(CONTINUATION, 0, 1, piece))
        one.send(frame(CONTINUATION, END_HEADERS, 1, pieces[-1]))
        assert b"reset" in one.answer(1) or one.closed
    with peer() as one:  # a small one that refers to one long value ten thousand times
        block = request_headers("GetTasks") + b"\x40" + b"\x01x" + b"\x7f\x81\x1e" + b"y" * 4000 + b"\xbe" * 10000
        one.send(frame(HEADERS, END_HEADERS, 1, block))
        assert b"reset" in one.answer(1) or one.closed
    with peer() as one:  # a header that never ends
        one.send(frame(HEADERS, 0, 1, request_headers("GetTasks")))
        for _ in range(20000):
            if not one.send(frame(CONTINUATION, 0, 1, header("x", "y" * 1000))):
                break
        assert one.is_hung_up()
    still_serves()


def answers_that_nobody_takes_cost_no_memory():
    with peer(struct.pack(">HI", 4, 0)) as one:  # the window of every stream is 0
        names = {t for t in model_tensors()}
        for _ in range(100 // len(names) + 1):
            for name in names:
                stream = one.open("GetAggregatedTensor")
                body = field(1, own_header()) + field(2, name) + field(3, rounds()) + field(5, "model") + field(6, 1)
                one.send(frame(DATA, END_STREAM, stream, message(body)))
        time.sleep(2)
        still_serves()


def model_tensors():
    """Names in the initial model: a protobuf walk over field 1 (tensors), its field 1 (name)."""
    data, names = (ENV["agg"] / "save/init.pbuf").read_bytes(), []
    at = 0

    def varint(at):
        value = shift = 0
        while True:
            value |= (data[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if data[at - 1] < 128:
                return value, at
    while at < len(data):
        _, at = varint(at)
        size, at = varint(at)
        _, inner = varint(at)
        name_size, inner = varint(inner)
        names.append(data[inner:inner + name_size].decode())
        at += size
    return names


def upload(one, results, pieces=1, end=True):
    """SendLocalTaskResults: TaskResults in DataStream messages."""
    return push(one, one.open("SendLocalTaskResults"), results, pieces, end)


def push(one, stream, results, pieces=1, end=True):
    step = max(1, -(-len(results) // pieces))
    for at in range(0, len(results), step):
        part = results[at:at + step]
        body = message(field(1, len(part)) + field(2, part))
        for cut in range(0, len(body), 16000):
            one.send(frame(DATA, 0, stream, body[cut:cut + 16000]))
    if end:
        one.send(frame(DATA, END_STREAM, stream))
    return stream


def results(tensors, size=10, task="train", number=None, head=None):
    return (field(1, head or own_header()) + field(2, rounds() if number is None else number) + field(3, task)
            + field(4, size) + b"".join(field(5, t) for t in tensors))


def tensor(name, shape, values, tags=("compressed", "trained"), more=b""):
    metadata = b"".join(field(2, n) for n in shape)
    return (field(1, name) + field(2, rounds()) + field(3, 1) + b"".join(field(5, t) for t in tags)
            + field(6, metadata) + more + field(7, values))


NAN, BIG = struct.pack("<f", float("nan")), struct.pack("<f", 3e38)


def updates_that_can_never_be_accepted_are_refused_with_a_reason():
    name = model_tensors()[0]
    cases = {"a wrong shape": lambda: results([tensor(name, (2, 2), b"\0" * 16)]),
             "not a number": lambda: results([tensor(name, (64, 512), NAN * 64 * 512)]),
             "an absurd value": lambda: results([tensor(name, (64, 512), BIG * 64 * 512)]),
             "an unknown tensor": lambda: results([tensor("backdoor", (1,), b"\0" * 4)]),
             "a tensor missing": lambda: results([tensor(name, (64, 512), b"\0" * 4 * 64 * 512)]),
             "a tensor twice": lambda: results([tensor(name, (64, 512), b"\0" * 4 * 64 * 512)] * 2),
             "a negative weight": lambda: results([], size=-5),
             "metadata that does not fit": lambda: results([tensor(name, (64, 512), b"\0" * 4 * 64 * 512,
                                                           more=field(6, field(2, 7)))]),
             "another's name": lambda: results([], head=field(1, GOOD[0]) + own_header()[len(field(1, EVIL)):])}
    for what, make in cases.items():
        until, before = time.monotonic() + 60, refusals()
        while refusals() == before:  # a round may end meanwhile; then it comes late, and is dropped
            assert time.monotonic() < until, f"{what} was not refused"
            with peer() as one:
                one.answer(upload(one, make()))
    still_serves()


def refusals():
    return len(ENV["process"].events("call.refused"))


def bytes_that_do_not_parse_and_compressed_messages_are_refused():
    with peer() as one:
        answer = one.answer(upload(one, os.urandom(50000)))
        assert answer or one.closed
    with peer() as one:
        stream = one.open("SendLocalTaskResults")
        one.send(frame(DATA, END_STREAM, stream, message(b"\x1f\x8b" + b"\0" * 1000, compressed=1)))
        assert one.answer(stream)
    with peer() as one:
        stream = one.open("SendLocalTaskResults", **{"grpc-encoding": "gzip"})
        assert one.answer(stream)
    still_serves()


def a_message_that_announces_four_gigabytes_takes_no_memory():
    with peer() as one:
        streams = [one.open("SendLocalTaskResults") for _ in range(50)]
        for stream in streams:
            one.send(frame(DATA, 0, stream, struct.pack(">BI", 0, 0xFFFFFFFF)))
        time.sleep(1)
        still_serves()


def begun():
    """A result cut short in its first tensor: head and all are there."""
    return results([tensor(model_tensors()[0], (64, 512), b"\0" * 40)])[:-45]


def refused_since(before, one, what):
    """The reasons, once all that was sent on this connection was looked at; of the rest none is of these."""
    assert b"aggregator_" in one.call("Ping", field(1, own_header())), "no answer to a Ping"
    return [r["reason"] for r in ENV["process"].events("call.refused")[before:] if what in r["reason"]]


def of_results_that_do_not_begin_a_connection_holds_four():
    with peer() as one, peer() as other:
        before = refusals()
        streams = [one.open("SendLocalTaskResults") for _ in range(4)]
        other.open("SendLocalTaskResults")
        assert not refused_since(before, one, "have not begun") and not refused_since(before, other, "have not begun")
        one.open("SendLocalTaskResults")
        assert len(refused_since(before, one, "have not begun")) == 1
        # one that begins makes room for another, as one that is given up does
        push(one, streams[0], begun(), end=False)
        one.send(frame(RST_STREAM, 0, streams[1], struct.pack(">I", 8)))
        for _ in range(2):
            one.open("SendLocalTaskResults")
        assert len(refused_since(before, one, "have not begun")) == 1
        one.open("SendLocalTaskResults")
        assert len(refused_since(before, one, "have not begun")) == 2
    still_serves()


def of_results_that_have_begun_a_member_has_four():
    with peer() as one:
        before = refusals()
        for _ in range(4):
            upload(one, begun(), end=False)
        assert not refused_since(before, one, "arriving already")
        with peer() as other:
            upload(other, begun(), end=False)
            assert len(refused_since(before, other, "arriving already")) == 1
    still_serves()


def a_stream_that_never_ends_is_bounded():
    name = model_tensors()[0]
    with peer() as one:
        upload(one, results([tensor(name, (64, 512), b"\0" * 4 * 64 * 512)]), end=False)
        for _ in range(3000):  # up to 48 MB more of the same
            if not one.send(frame(DATA, 0, 1, b"\0" * 16000)):
                break
            if one.socket.pending() or len(one.got):
                break
            one.socket.settimeout(0)
            with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, OSError):
                if one.socket.recv(1):
                    break
        still_serves()


def one_byte_at_a_time_holds_up_nobody():
    with peer() as one:
        stream = one.open("SendLocalTaskResults")
        done = rounds()
        for byte in message(field(1, 5) + field(2, b"hello"))[:12]:
            one.send(frame(DATA, 0, stream, bytes((byte,))))
            time.sleep(0.2)
        assert rounds() > done
    still_serves()


def strangers_at_the_door_hold_up_nobody():
    sockets = []
    for i in range(80):
        with contextlib.suppress(OSError):
            one = socket.create_connection(("127.0.0.1", ENV["port"]), timeout=5)
            one.sendall(b"\x16\x03\x01\x02" if i % 2 else b"GET / HTTP/1.1\r\n\r\n")
            sockets.append(one)
    done, until = rounds(), time.monotonic() + 60
    while rounds() < done + 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert rounds() >= done + 2, ENV["process"].tail()
    for one in sockets:
        one.close()
    time.sleep(0.5)
    still_serves()


def all_of_it_at_once_and_the_rounds_go_on():
    stop = threading.Event()

    def flood(attack):
        while not stop.is_set():
            with contextlib.suppress(OSError, ssl.SSLError), peer() as one:
                attack(one)
            time.sleep(0.01)
    attacks = (lambda one: one.send(os.urandom(20000)), lambda one: one.send(frame(PING, 0, 0, b"12345678") * 5000),
               lambda one: one.answer(upload(one, results([tensor("backdoor", (1,), b"\0" * 4)])), 2),
               lambda one: [one.open("GetTasks") for _ in range(300)])
    threads = [threading.Thread(target=flood, args=(a,)) for a in attacks]
    done = rounds()
    for t in threads:
        t.start()
    time.sleep(5)
    stop.set()
    for t in threads:
        t.join(30)
    assert rounds() > done
    still_serves()


def the_others_are_never_the_wiser():
    for name in GOOD:
        process = ENV[name + " process"]
        assert process.child.poll() is None or process.child.poll() == 0, process.tail()
        assert not process.events("aggregator.trouble"), process.tail()
    with open(STAGE / "aggregator.log", errors="replace") as log:
        refused = [json.loads(line) for line in log if '"call.refused"' in line]
    assert all(r["peer"] == EVIL for r in refused), refused[:3]
    ENV["stack"].close()


try:
    tap.run(our_commands_make_the_workspaces_and_the_pki, the_federation_runs,
            bytes_that_are_no_http_2_end_the_connection, ten_thousand_streams_are_cut_to_their_maximum,
            rapid_resets_end_the_connection, floods_of_control_frames_end_the_connection,
            header_bombs_reset_the_stream_or_end_the_connection, answers_that_nobody_takes_cost_no_memory,
            updates_that_can_never_be_accepted_are_refused_with_a_reason,
            bytes_that_do_not_parse_and_compressed_messages_are_refused,
            a_message_that_announces_four_gigabytes_takes_no_memory,
            of_results_that_do_not_begin_a_connection_holds_four, of_results_that_have_begun_a_member_has_four,
            a_stream_that_never_ends_is_bounded,
            one_byte_at_a_time_holds_up_nobody, strangers_at_the_door_hold_up_nobody,
            all_of_it_at_once_and_the_rounds_go_on, the_others_are_never_the_wiser)
finally:
    if "stack" in ENV:
        ENV["stack"].close()
    if "VOUCH_KEEP" not in os.environ:
        shutil.rmtree(STAGE, ignore_errors=True)
