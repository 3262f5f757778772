#!/usr/bin/env python3
"""Make the vectors of this folder with the real OpenFL.

    python3 -m venv v && v/bin/pip install openfl==1.9 'numpy>=2'
    v/bin/python make_vectors.py OUT_DIR

What the vectors say is fixed by the seed below; openfl 1.9, protobuf 5.29 and numpy 2.4 made the
files that are checked in.
"""
import pathlib
import sys

import numpy as np
from openfl.interface.aggregation_functions import Median, WeightedAverage
from openfl.pipelines import NoCompressionPipeline
from openfl.protocols import aggregator_pb2 as agg
from openfl.protocols import base_pb2 as base
from openfl.protocols import utils

out = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(20261123)
pipe = NoCompressionPipeline()
COL, AGG = "col1", "aggregator_plan.yaml_737dd2d5"


def header(sender, receiver):
    return agg.MessageHeader(sender=sender, receiver=receiver, federation_uuid="plan.yaml_737dd2d5",
                             single_col_cert_common_name="")


def named(name, array, round_number, report, tags):
    data, metadata = pipe.forward(data=array)
    key = utils.TensorKey(name, "agg", round_number, report, tags)
    return utils.construct_named_tensor(key, data, metadata, lossless=True)


def save(name, message):
    data = message if isinstance(message, bytes) else message.SerializeToString()
    (out / name).write_bytes(data)


model = {
    "layer0.weight": np.arange(15, dtype=np.float32).reshape(5, 3) / 8,
    "layer0.bias": np.arange(5, dtype=np.float32) - 2,
    "steps": np.array(7, dtype=np.int64),
    "empty": np.zeros((0, 4), dtype=np.float32),
}

save("get_tasks_request.bin", agg.GetTasksRequest(header=header(COL, AGG)))
save("get_tasks_response.bin", agg.GetTasksResponse(
    header=header(AGG, COL), round_number=3,
    tasks=[agg.Task(name="aggregated_model_validation"), agg.Task(name="train"),
           agg.Task(name="t", function_name="f", task_type="validate", apply_local=True)],
    sleep_time=10, quit=True))
save("get_tensor_request.bin", agg.GetAggregatedTensorRequest(
    header=header(COL, AGG), tensor_name="layer0.weight", round_number=3, report=True,
    tags=("aggregated", "compressed", "delta"), require_lossless=True))
save("get_tensor_response.bin", agg.GetAggregatedTensorResponse(
    header=header(AGG, COL), round_number=3,
    tensor=named("layer0.weight", model["layer0.weight"], 3, False, ("compressed", "model"))))
results = agg.TaskResults(
    header=header(COL, AGG), round_number=3, task_name="train", data_size=1258,
    tensors=[named(k, v, 3, False, ("compressed", "trained")) for k, v in model.items()]
    + [named("loss", np.array(0.25), 3, True, ("compressed", "metric"))])
save("task_results.bin", results)
for i, piece in enumerate(utils.proto_to_datastream(results, max_buffer_size=150)):
    save(f"task_results_piece{i}.bin", piece)
save("task_results_negative.bin", agg.TaskResults(
    header=header(COL, AGG), round_number=-1, task_name="secagg", data_size=-1))
save("init.pbuf", utils.construct_model_proto(model, 0, pipe))
save("metadata_all.bin", base.MetadataProto(
    int_to_float={7: 0.5}, int_list=[5, 3, -1], bool_list=[True, False]))


# Aggregation. Members and values, the members' data sizes, then float32: the members, the base, the
# mean of 1.9 and of numpy.average, the models that deltas make of both, the median.


class Member:
    def __init__(self, tensor, weight):
        self.tensor, self.weight = tensor, weight


def aggregate_case(members, values):
    sizes = rng.integers(1, 5000, size=members).astype(np.int32)
    total = sum(int(s) for s in sizes)
    weights = [int(s) / total for s in sizes]
    shape = () if values == 1 else (values,)
    arrays = [rng.standard_normal(size=shape or None) for _ in range(members)]
    arrays = [np.asarray(a, dtype=np.float32) for a in arrays]
    cols = [Member(a, w) for a, w in zip(arrays, weights)]
    start = np.asarray(rng.standard_normal(size=shape or None), dtype=np.float32)
    mean19 = WeightedAverage()(cols, None, "t", 0, ())
    mean18 = np.average([c.tensor for c in cols], weights=weights, axis=0)
    model19 = start + np.asarray(mean19 - start).astype(np.float32)
    model18 = start + np.asarray(mean18 - start).astype(np.float32)
    median = Median()(cols, None, "t", 0, ())
    parts = [np.array([members, values], dtype="<i4"), sizes.astype("<i4")]
    parts += [np.asarray(x).astype("<f4").reshape(-1)
              for x in arrays + [start, mean19, mean18, model19, model18, median]]
    save(f"aggregate_{members}x{values}.bin", b"".join(p.tobytes() for p in parts))


for members, values in ((2, 1000), (3, 1), (10, 1), (300, 1), (9, 40), (300, 5)):
    aggregate_case(members, values)
