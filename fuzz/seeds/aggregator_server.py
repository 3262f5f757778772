#!/usr/bin/env python3
"""Write the seeds of aggregator_server: what a collaborator of its plan sends, call by call."""
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tests/e2e"))
from h2_raw import DATA, END_HEADERS, END_STREAM, HEADERS, SETTINGS, field, frame, message, request_headers  # noqa: E402

UUID = "plan.yaml_71e3c107"  # `vouch plan hash` of the plan in aggregator_server_fuzz.c
HEADER = field(1, "col1") + field(2, "aggregator_" + UUID) + field(3, UUID)


def call(stream, method, *payloads):
    body = b"".join(message(p) for p in payloads)
    return (frame(HEADERS, END_HEADERS, stream, request_headers(method))
            + frame(DATA, END_STREAM, stream, body))


def tensor(name, shape, values, tags, report=0):
    shape = b"".join(field(2, n) for n in shape)
    return (field(1, name) + field(3, 1) + (field(4, 1) if report else b"") + b"".join(field(5, t) for t in tags)
            + field(6, shape) + field(7, struct.pack(f"<{len(values)}f", *values)))


def results(task, size, *tensors):
    whole = field(1, HEADER) + field(3, task) + field(4, size) + b"".join(field(5, t) for t in tensors)
    return field(1, len(whole)) + field(2, whole)


def wanted(name, *tags):
    return field(1, HEADER) + field(2, name) + b"".join(field(5, t) for t in tags) + field(6, 1)


ACCURACY = tensor("accuracy", (1,), (0.5,), ("compressed", "metric", "validate_agg"), report=1)
UPDATE = (tensor("loss", (1,), (0.5,), ("compressed", "metric"), report=1),
          tensor("w", (2, 3), (1, 2, 3, 4, 5, 6), ("compressed", "trained")),
          tensor("b", (1, 3), (1, 2, 3), ("compressed", "trained")))
SEEDS = {
    "ping": call(1, "Ping", field(1, HEADER)),
    "get_tasks": call(1, "GetTasks", field(1, HEADER)),
    "get_tensor": call(1, "GetAggregatedTensor", wanted("w", "model")),
    "validation": call(1, "SendLocalTaskResults", results("check_valid", 10, ACCURACY)),
    "training": call(1, "SendLocalTaskResults", results("train", 10, *UPDATE)),
    "a_round": call(1, "GetTasks", field(1, HEADER)) + call(3, "GetAggregatedTensor", wanted("w", "model"))
    + call(5, "SendLocalTaskResults", results("check_valid", 10, ACCURACY))
    + call(7, "SendLocalTaskResults", results("train", 10, *UPDATE))
    + call(9, "GetAggregatedTensor", wanted("w", "col1", "trained")) + call(11, "GetTasks", field(1, HEADER)),
}
for name, data in SEEDS.items():
    (HERE / "aggregator_server" / name).write_bytes(frame(SETTINGS) + data)
