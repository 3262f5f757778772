#!/usr/bin/env python3
"""Record what the real OpenFL's aggregation functions make of members, round after round.

    for each release R: python3 -m venv vR && vR/bin/pip install openfl==R 'numpy<2.3'
    vR/bin/python make_aggregation_vectors.py OUT_DIR

openfl 1.5.1 (numpy 1.24.4, Python 3.8), 1.6 (2.0.2, 3.9), 1.7.1, 1.8 (2.2.6, 3.10) and 1.9 (2.2.6,
3.11) made the same files on one machine; the last bits of geometric_* are the processor's.

YogiAdaptiveAggregation cannot be constructed in any release (it hands `epsilo` on); its parts can,
and are put together here as it would.

FUNCTION_N.bin: int32 members, values, rounds; float64 learning rate, beta 1, beta 2, initial
accumulator, epsilon; int32 the members' data sizes; then float32: the initial tensor, and for each
round the members and the result.
"""
import pathlib
import sys

import numpy as np
from openfl.interface.aggregation_functions import (AdagradAdaptiveAggregation,
                                                    AdamAdaptiveAggregation,
                                                    FedCurvWeightedAverage, GeometricMedian,
                                                    WeightedAverage)
from openfl.interface.aggregation_functions.core import AdaptiveAggregation
from openfl.utilities.optimizers.numpy import NumPyYogi
from openfl.utilities.types import LocalTensor, SingletonABCMeta

out = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(20261128)


class YogiAdaptiveAggregation(AdaptiveAggregation):
    def __init__(self, **settings):
        super().__init__(NumPyYogi(**settings), WeightedAverage())


def run(name, make, settings, members, shape, rounds, tensor_name="t"):
    SingletonABCMeta._instances.clear()  # one object of each class in a process, else
    sizes = rng.integers(1, 900, size=members).astype(np.int32)
    total = sum(int(s) for s in sizes)
    start = np.asarray(rng.standard_normal(size=shape), dtype=np.float32)
    function = make({tensor_name: start.copy()})
    rows, base = [start], start
    for r in range(rounds):
        arrays = [np.asarray(base + rng.standard_normal(size=shape) * 0.1, dtype=np.float32)
                  for _ in range(members)]
        local = [LocalTensor(f"col{i}", a, int(s) / total)
                 for i, (a, s) in enumerate(zip(arrays, sizes))]
        tags = ("aggregated",) if r else ("model",)
        history = [{"round": r, "tensor_name": tensor_name, "tags": tags, "nparray": base}]
        base = np.array(function(local, iter(history), tensor_name, r, ("trained",)))
        rows += arrays + [base]
    parts = [np.array([members, int(np.prod(shape)), rounds], dtype="<i4"),
             np.array(settings, dtype="<f8"), sizes.astype("<i4")]
    parts += [np.asarray(x).astype("<f4").reshape(-1) for x in rows]
    (out / f"{name}.bin").write_bytes(b"".join(p.tobytes() for p in parts))


def stepping(cls, lr, b1, b2, initial, eps):
    names = {"learning_rate": lr, "initial_accumulator_value": initial, "epsilon": eps}
    if cls is not AdagradAdaptiveAggregation:
        names["betas"] = (b1, b2)
    return lambda params: cls(params=params, **names)


for name, cls, settings in (
        ("adagrad", AdagradAdaptiveAggregation, (0.01, 0.9, 0.999, 0.1, 1e-10)),
        ("adam", AdamAdaptiveAggregation, (0.01, 0.9, 0.999, 0.0, 1e-8)),
        ("yogi", YogiAdaptiveAggregation, (0.01, 0.9, 0.999, 0.0, 1e-8))):
    run(f"{name}_0", stepping(cls, *settings), settings, 3, (41,), 4)
    other = (0.3, 0.8, 0.95, 0.25, 1e-3)
    run(f"{name}_1", stepping(cls, *other), other, 7, (5, 4), 3)
    run(f"{name}_2", stepping(cls, *settings), settings, 2, (), 3)

none = (0, 0, 0, 0, 0)
run("fedcurv_0", lambda _: FedCurvWeightedAverage(), none, 5, (33,), 1, "layer.weight_u")
run("fedcurv_1", lambda _: FedCurvWeightedAverage(), none, 200, (1,), 1, "w_w")
run("fedcurv_2", lambda _: FedCurvWeightedAverage(), none, 12, (), 1, "w_v")
run("geometric_0", lambda _: GeometricMedian(), none, 5, (64,), 1)
run("geometric_1", lambda _: GeometricMedian(), none, 9, (6, 5, 4), 1)
run("geometric_2", lambda _: GeometricMedian(), none, 3, (), 1)
