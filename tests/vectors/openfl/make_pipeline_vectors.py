#!/usr/bin/env python3
"""Record what the real OpenFL's compression pipelines make of tensors, and of what ours made.

    python3.8 -m venv v && v/bin/pip install openfl==1.5.1 torch==1.12.1      (Eden needs torch)
    v/bin/python make_pipeline_vectors.py OUT_DIR

openfl 1.5.1 (its pipelines do the same arithmetic as those of 1.6 to 1.9), numpy 1.24.4,
scikit-learn 1.3.2 and torch 1.12.1 made the files that are checked in; the seeds below fix the
inputs, k-means and Eden's seed.

pipeline_KIND_N.bin: a NamedTensor as OpenFL sends it, whose metadata and data are one encoding, then
(field 100) the input and (field 101) what OpenFL decodes it to, both float32. Unknown fields are
skipped by a reader of the message, so the file is also a message.
"""
import pathlib
import random
import sys

import numpy as np
from openfl.pipelines import (EdenPipeline, KCPipeline, NoCompressionPipeline, RandomShiftPipeline,
                              SKCPipeline, STCPipeline)
from openfl.protocols import base_pb2

out = pathlib.Path(sys.argv[1])


def varint(n):
    done = b""
    while n > 127:
        done += bytes([n & 127 | 128])
        n >>= 7
    return done + bytes([n])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def floats(array):
    return np.asarray(array, dtype="<f4").reshape(-1).tobytes()


def named(data, metadata, lossy):
    tensor = base_pb2.NamedTensor(
        name="w", round_number=3, lossless=not lossy, data_bytes=data,
        tags=["delta", "lossy_compressed" if lossy else "compressed", "trained"])
    for m in metadata:
        tensor.transformer_metadata.add(int_to_float=m.get("int_to_float"),
                                        int_list=m.get("int_list"), bool_list=m.get("bool_list"))
    return tensor


def metadata_of(tensor):
    """As the aggregator takes it off the wire."""
    return [{"int_to_float": dict(m.int_to_float), "int_list": list(m.int_list),
             "bool_list": list(m.bool_list)} for m in tensor.transformer_metadata]


def record(name, pipeline, array):
    np.random.seed(20261127)
    random.seed(20261127)
    lossy = pipeline.is_lossy()
    data, metadata = pipeline.forward(data=array.copy())
    wire = named(data, metadata, lossy).SerializeToString()
    again = base_pb2.NamedTensor.FromString(wire)
    decoded = pipeline.backward(data=again.data_bytes, transformer_metadata=metadata_of(again))
    (out / f"pipeline_{name}.bin").write_bytes(
        wire + field(100, floats(array)) + field(101, floats(decoded)))


rng = np.random.default_rng(20261127)


def normal(*shape):
    return np.asarray(rng.standard_normal(size=shape) * 0.05, dtype=np.float32)


positive = np.abs(normal(7, 11)) + np.float32(0.01)
cases = {
    "plain": (NoCompressionPipeline(), [normal(3, 5), normal()]),
    "kc": (KCPipeline(n_clusters=6), [normal(40, 25), normal(4), normal()]),
    "skc": (SKCPipeline(p_sparsity=0.1, n_clusters=6), [normal(40, 25), positive]),
    "stc": (STCPipeline(p_sparsity=0.1), [normal(40, 25), positive, normal(1), normal(13)]),
    "shift": (RandomShiftPipeline(), [normal(4, 9), normal()]),
    "eden8": (EdenPipeline(n_bits=8, dim_threshold=100), [normal(21, 25), normal(99), normal(1024),
                                                          np.zeros(128, dtype=np.float32)]),
    "eden3": (EdenPipeline(n_bits=3, dim_threshold=10), [normal(300), normal(13)]),
    "eden1": (EdenPipeline(n_bits=1, dim_threshold=10), [normal(33, 31)]),
}
for kind, (pipeline, arrays) in cases.items():
    for i, array in enumerate(arrays):
        record(f"{kind}_{i}", pipeline, array)
