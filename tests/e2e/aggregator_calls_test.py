#!/usr/bin/python3
"""Every answer of `vouch aggregator start`, called by Google's gRPC with hand-made messages: section 4 of
docs/facts/openfl_interop.md, and the table of what the genuine aggregator answers (14.1).

usage: aggregator_calls_test.py DIRECTORY-OF-PROGRAMS
"""
import contextlib
import os
import pathlib
import shutil
import struct
import sys
import tempfile
import time

os.environ["GRPC_VERBOSITY"] = "NONE"  # a refused handshake is part of the test
try:
    import grpc
except ImportError:
    print("1..0 # SKIP python3-grpcio is not installed")
    sys.exit(0)

import tap
from federation import Process, Site
from ports import free_port

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-calls-"))
SERVICE = "/openfl.aggregator.Aggregator/"
TASKS = ["aggregated_model_validation", "train", "locally_tuned_model_validation"]
AT_ONCE_S = 3  # on a busy machine, too
ENV = {}


# protobuf by hand: what is sent is exactly what stands here

def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value & (1 << 64) - 1) if value else b""
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def parse(data):
    """A message as {number: [values]}."""
    out, at = {}, 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return n

    while at < len(data):
        key = number()
        if key & 7 == 0:
            value = number()
        else:
            size = number()
            value, at = data[at:at + size], at + size
        out.setdefault(key >> 3, []).append(value)
    return out


def header(sender="col1", receiver=None, federation=None, single=""):
    federation = ENV["federation"] if federation is None else federation
    receiver = "aggregator_" + ENV["federation"] if receiver is None else receiver
    return field(1, field(1, sender) + field(2, receiver) + field(3, federation) + field(4, single))


def named(name, values, tags, round=0, report=False, shape=None, metadata=True):
    shape = ([len(values)] if values is not None else []) if shape is None else shape
    ints = b"".join(varint(n) for n in shape)
    meta = field(6, field(2, ints) if ints else b"") if metadata else b""
    return (field(1, name) + field(2, round) + field(3, 1) + field(4, int(report)) + b"".join(field(5, t) for t in tags)
            + meta + field(7, struct.pack(f"<{len(values)}f", *values)))


def metric(task, round=0):
    tags = {"train": ["compressed", "metric"], TASKS[0]: ["compressed", "metric", "validate_agg"],
            TASKS[2]: ["compressed", "metric", "validate_local"]}[task]
    return named("loss" if task == "train" else "accuracy", [0.5], tags, round, True, shape=[])


def results(task, tensors, round=0, sender="col1", size=8, **head):
    return (header(sender, **head) + field(2, round) + field(3, task) + field(4, size)
            + b"".join(field(5, t) for t in tensors))


def trained(round=0, step=0.25):
    return [named(n, [step] * c, ["compressed", "trained"], round, shape=s) for n, s, c in ENV["model"]]


def tensor_request(name, tags=("model",), round=0, lossless=True, report=False, sender="col1"):
    return (header(sender) + field(2, name) + field(3, round) + field(4, int(report))
            + b"".join(field(5, t) for t in tags) + field(6, int(lossless)))


def channel(name="col1", certificate=True):
    site = ENV["site"]
    mine = [(site / f"cert/client/col_{name}.{end}").read_bytes() for end in ("key", "crt")] if certificate else []
    credentials = grpc.ssl_channel_credentials((site / "cert/cert_chain.crt").read_bytes(), *mine)
    return grpc.secure_channel(f"localhost:{ENV['port']}", credentials, [("grpc.max_receive_message_length", 1 << 30)])


def call(name, request, who="col1", timeout=20):
    """(status name, text, answer, seconds)"""
    began = time.monotonic()
    try:
        answer = ENV[who].unary_unary(SERVICE + name)(request, timeout=timeout)
        return "OK", "", parse(answer), time.monotonic() - began
    except grpc.RpcError as error:
        return error.code().name, error.details(), None, time.monotonic() - began


def send(message, who="col1", piece=2 << 20, raw=False):
    chunks = [message[i:i + piece] for i in range(0, len(message), piece)]
    stream = chunks if raw else [field(1, len(c)) + field(2, c) for c in chunks]
    try:
        answer = ENV[who].stream_unary(SERVICE + "SendLocalTaskResults")(iter(stream), timeout=30)
        return "OK", parse(answer)
    except grpc.RpcError as error:
        return error.code().name, error.details()


def tasks_of(answer):
    return [parse(t)[1][0].decode() for t in answer.get(3, [])]


def check_header(answer, receiver="col1"):
    said = parse(answer[1][0])
    assert said[1] == [f"aggregator_{ENV['federation']}".encode()] and said[2] == [receiver.encode()], said
    assert said[3] == [ENV["federation"].encode()] and 4 not in said, said


def an_aggregator_serves_a_plan_of_two_rounds():
    desk = Site(STAGE, PROGRAMS)
    desk.run("vouch", "workspace", "create", "--prefix", "site")
    site = ENV["site"] = Site(STAGE / "site", PROGRAMS)
    ENV["port"] = free_port()
    text = (site / "plan/plan.yaml").read_text()
    for old, new in {"rounds_to_train: 10": "rounds_to_train: 2", "agg_addr: auto": "agg_addr: localhost",
                     "agg_port: auto": f"agg_port: {ENV['port']}", "hidden: [32]": "hidden: []",
                     "features: 64": "features: 2", "classes: 10": "classes: 3"}.items():
        assert old in text, old
        text = text.replace(old, new)
    (site / "plan/plan.yaml").write_text(text)
    site.run("vouch", "workspace", "certify")
    site.run("vouch", "aggregator", "generate-cert-request", "--fqdn", "localhost")
    site.run("vouch", "aggregator", "certify", "--fqdn", "localhost", "-s")
    for name in ("col1", "col2"):
        site.run("vouch", "collaborator", "generate-cert-request", "-n", name, "-s", "-x")
        site.run("vouch", "collaborator", "certify", "-n", name, "-s")
    site.run("vouch", "plan", "initialize")
    ENV["federation"] = site.run("vouch", "plan", "hash").split()[1]
    ENV["model"] = [("layer0.weight", [3, 2], 6), ("layer0.bias", [3], 3)]
    ENV["process"] = ENV["stack"].enter_context(Process(
        [PROGRAMS / "vouch", "aggregator", "start", "--log-format", "json", "--log-level", "info"], site.directory,
        STAGE / "aggregator.log"))
    ENV["process"].event("aggregator.listening")
    said = ENV["process"].log.read_text()
    assert f"federation {ENV['federation']}, defaults and arithmetic of OpenFL 1.9\n" in said, said
    for name in ("col1", "col2"):
        ENV[name] = ENV["stack"].enter_context(channel(name))


def a_ping_gets_our_header():
    status, text, answer, _ = call("Ping", header())
    assert status == "OK", (status, text)
    check_header(answer)


def tasks_are_handed_out_by_name_in_the_plans_order_with_the_round_and_no_sleep():
    status, text, answer, seconds = call("GetTasks", header())
    assert status == "OK" and seconds < AT_ONCE_S, (status, text, seconds)
    check_header(answer)
    assert tasks_of(answer) == TASKS and not {2, 4, 5} & set(answer), answer  # round 0, sleep 0, quit false: absent


def a_caller_without_a_certificate_gets_no_answer_at_all():
    with channel(certificate=False) as ENV["nobody"]:
        assert call("GetTasks", header(), "nobody")[0] == "UNAVAILABLE"


def what_can_never_succeed_is_unauthenticated_at_once_for_every_method():
    wrong = {"another authorised name": header("col2"), "an unknown name": header("eve"), "no header": b"",
             "another receiver": header(receiver="x"), "another federation": header(federation="x"),
             "another common name": header(single="x")}
    for what, head in wrong.items():
        for method, rest in (("Ping", b""), ("GetTasks", b""),
                             ("GetAggregatedTensor", field(2, "layer0.bias") + field(5, "model")),
                             ("GetAggregatedTensors", b"")):
            status, text, _, seconds = call(method, head + rest)
            assert status == "UNAUTHENTICATED" and text and seconds < AT_ONCE_S, (what, method, status, text, seconds)
        status, text = send(head + field(3, "train") + field(4, 8))
        assert status == "UNAUTHENTICATED", (what, status, text)


def the_model_is_served_lossless_as_asked_with_its_tags_and_shape():
    for name, shape, count in ENV["model"]:
        for lossless, tags in ((True, ["model"]), (False, ["model"]), (True, ["model", "compressed"])):
            status, text, answer, _ = call("GetAggregatedTensor", tensor_request(name, tags, lossless=lossless))
            assert status == "OK", (status, text)
            check_header(answer)
            tensor = parse(answer[3][0])
            assert tensor[1] == [name.encode()] and tensor[5] == [b"compressed", b"model"], tensor
            assert (3 in tensor) == lossless and len(tensor[7][0]) == 4 * count, tensor
            assert [list(parse(m)[2][0]) for m in tensor[6]] == [shape], tensor


def several_tensors_come_in_one_answer():
    specs = b"".join(field(2, field(1, name) + field(4, "model") + field(5, 1)) for name, _, _ in ENV["model"])
    status, text, answer, _ = call("GetAggregatedTensors", header() + specs)
    assert status == "OK", (status, text)
    assert [parse(t)[1][0].decode() for t in answer[2]] == [name for name, _, _ in ENV["model"]], answer


def a_tensor_that_is_not_there_is_unknown_and_not_at_once():
    for request in (tensor_request("nothing"), tensor_request("layer0.bias", ("aggregated", "delta", "compressed"))):
        status, text, _, seconds = call("GetAggregatedTensor", request, timeout=60)
        assert status == "UNKNOWN" and "does not have an aggregated tensor" in text and seconds > 5, (status, text, seconds)


def every_other_method_is_unimplemented_at_once():
    for method in ("GetMetricStream", "GetTrainedModel", "GetExperimentDescription", "InteropRelay", "Nothing"):
        status, text, _, seconds = call(method, header())
        assert status == "UNIMPLEMENTED" and seconds < AT_ONCE_S, (method, status, text, seconds)


def an_empty_half_or_unreadable_stream_is_unknown_and_never_ok():
    whole = results("train", [metric("train"), *trained()])
    assert send(b"")[0] == "UNKNOWN"
    assert send(field(2, b""), raw=True)[0] != "OK"  # a piece, and nothing in it
    assert send(whole[:-5])[0] == "UNKNOWN"
    assert send(b"\xff" * 100)[0] in ("UNKNOWN", "UNAUTHENTICATED")  # no header can be read out of it
    assert send(b"\xff" * 100, raw=True)[0] == "UNKNOWN"
    assert not ENV["process"].events("result.taken")


def a_tensor_that_can_never_be_taken_is_never_answered_ok():
    plain = trained()
    bad = {"no tag": named("layer0.bias", [1.0] * 3, ["trained"]),
           "no metadata": named("layer0.bias", [1.0] * 3, ["compressed", "trained"], metadata=False),
           "another shape": named("layer0.bias", [1.0] * 4, ["compressed", "trained"]),
           "another name": named("layer9.bias", [1.0] * 3, ["compressed", "trained"]),
           "not a number": named("layer0.bias", [float("nan")] * 3, ["compressed", "trained"]),
           "another round": named("layer0.bias", [1.0] * 3, ["compressed", "trained"], round=7)}
    for what, tensor in bad.items():
        status, text = send(results("train", [metric("train"), plain[0], tensor]))
        assert status == "UNAUTHENTICATED" and text, (what, status, text)
    assert send(results("train", [metric("train"), plain[0]]))[0] != "OK"  # one is missing
    assert send(results("train", [metric("train"), *plain, plain[1]]))[0] != "OK"  # one too many
    assert not ENV["process"].events("result.taken")


def what_has_no_place_any_more_is_dropped_with_ok():
    for message in (results(TASKS[0], [metric(TASKS[0], 5)], round=5), results("never_given", [])):
        status, answer = send(message)
        assert status == "OK", (status, answer)
        check_header(answer)
    dropped = ENV["process"].events("result.dropped")
    assert len(dropped) == 2 and not ENV["process"].events("result.taken"), dropped


def a_result_in_pieces_of_one_byte_is_taken_and_a_second_time_dropped():
    message = results("train", [metric("train"), *trained(step=0.5)])
    for expected in ("result.taken", "result.dropped"):
        before = len(ENV["process"].events(expected))
        status, answer = send(message, piece=1)
        assert status == "OK", (status, answer)
        assert len(ENV["process"].events(expected)) == before + 1
    assert tasks_of(call("GetTasks", header())[2]) == [TASKS[0], TASKS[2]]


def a_call_for_tasks_is_held_until_the_round_ends_and_then_answered_with_work():
    for task in (TASKS[0], TASKS[2]):
        assert send(results(task, [metric(task)]))[0] == "OK"
    asked = ENV["col1"].unary_unary(SERVICE + "GetTasks").future(header(), timeout=25)
    time.sleep(1.5)
    assert not asked.done(), "an idle collaborator was answered at once"
    assert tasks_of(call("GetTasks", header("col2"), "col2")[2]) == TASKS
    for task in TASKS:
        tensors = [metric(task), *(trained(step=1.5) if task == "train" else [])]
        status, text = send(results(task, tensors, sender="col2", size=24), "col2")
        assert status == "OK", (status, text)
    ended = time.monotonic()
    answer = parse(asked.result())
    assert time.monotonic() - ended < AT_ONCE_S and answer[2] == [1] and tasks_of(answer) == TASKS, answer
    assert 4 not in answer and 5 not in answer, answer


def the_new_model_is_the_weighted_mean():
    answer = call("GetAggregatedTensor", tensor_request("layer0.bias", round=1))[2]
    values = struct.unpack("<3f", parse(answer[3][0])[7][0])
    assert values == (1.25,) * 3, values  # (8 x 0.5 + 24 x 1.5) / 32


def after_the_last_round_all_are_told_to_quit_and_the_process_exits():
    assert tasks_of(call("GetTasks", header("col2"), "col2")[2]) == TASKS
    for who in ("col1", "col2"):
        for task in TASKS:
            tensors = [metric(task, 1), *(trained(1) if task == "train" else [])]
            assert send(results(task, tensors, round=1, sender=who), who)[0] == "OK"
    late = send(results(TASKS[0], [metric(TASKS[0], 1)], round=1))
    assert late[0] == "OK", late
    for who in ("col1", "col2"):
        status, text, answer, _ = call("GetTasks", header(who), who)
        assert status == "OK" and answer[5] == [1] and 3 not in answer, (status, text, answer)
    assert ENV["process"].wait(40) == 0, ENV["process"].tail()


with contextlib.ExitStack() as ENV["stack"]:
    try:
        tap.run(
            an_aggregator_serves_a_plan_of_two_rounds,
            a_ping_gets_our_header,
            tasks_are_handed_out_by_name_in_the_plans_order_with_the_round_and_no_sleep,
            a_caller_without_a_certificate_gets_no_answer_at_all,
            what_can_never_succeed_is_unauthenticated_at_once_for_every_method,
            the_model_is_served_lossless_as_asked_with_its_tags_and_shape,
            several_tensors_come_in_one_answer,
            a_tensor_that_is_not_there_is_unknown_and_not_at_once,
            every_other_method_is_unimplemented_at_once,
            an_empty_half_or_unreadable_stream_is_unknown_and_never_ok,
            a_tensor_that_can_never_be_taken_is_never_answered_ok,
            what_has_no_place_any_more_is_dropped_with_ok,
            a_result_in_pieces_of_one_byte_is_taken_and_a_second_time_dropped,
            a_call_for_tasks_is_held_until_the_round_ends_and_then_answered_with_work,
            the_new_model_is_the_weighted_mean,
            after_the_last_round_all_are_told_to_quit_and_the_process_exits,
        )
    finally:
        shutil.rmtree(STAGE, ignore_errors=True)
