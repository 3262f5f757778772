#!/usr/bin/env python3
"""Record metrics as the real OpenFL writes them: the text after METRIC (1.6's logger.metric("%s", metrics)), and
the lines of its MetricWriter callback (1.7 to 1.9), which is run here.

    for each release R: python3 -m venv vR && vR/bin/pip install openfl==R 'numpy<2.3'
    vR/bin/python make_metric_vectors.py R OUT_DIR

metric_means_R.txt: see below; 1.5.1 to 1.8 made the same but for the first word.
metric_lines.txt (any release): a line the value's float32 bits in hexadecimal, a collaborator's METRIC text, the
aggregator's. metric_rounds_R.txt: what is in logs/aggregator_metrics.txt after two rounds, the clock at 1.5 s a round.
"""
import pathlib
import struct
import sys
import tempfile
import time

import numpy as np

release, out = sys.argv[1], pathlib.Path(sys.argv[2])
bits = (0x00000000, 0x3f800000, 0x3dcccccd, 0x3f7d70a4, 0xbf000000, 0x3727c5ac, 0x38d1b717, 0x49742400, 0x5a0e1bca,
        0x5a635fa9, 0x7f7fffff, 0x00000001, 0x3eaaaaab, 0x42f6e979)
lines = []
for b in bits:
    value = float(np.frombuffer(struct.pack("<I", b), np.float32)[0])
    # openfl/component/aggregator/aggregator.py of 1.6, send_local_task_results and _compute_validation_related_...
    one = {"round": 3, "metric_origin": "col1", "task_name": "train", "metric_name": "loss", "metric_value": float(value)}
    mean = {"metric_origin": "aggregator", "task_name": "train", "metric_name": "loss", "metric_value": float(value),
            "round": 3}
    lines.append("%08x %s %s" % (b, str(one), str(mean)))
(out / "metric_lines.txt").write_text("\n".join(lines) + "\n")

# the mean of a metric over members, a line: release, data sizes, values' bits, the result as a float in hexadecimal
from openfl.interface.aggregation_functions import WeightedAverage  # noqa: E402
from openfl.utilities.types import LocalTensor  # noqa: E402

rng = np.random.default_rng(7)
lines = []
for members in (1, 2, 3, 7, 8, 9, 20, 150):
    sizes = [int(n) for n in rng.integers(1, 900, size=members)]
    values = rng.random(members).astype(np.float32)
    local = [LocalTensor(f"col{i}", np.array(v), n / sum(sizes)) for i, (v, n) in enumerate(zip(values, sizes))]
    mean = float(WeightedAverage()(local, iter(()), "accuracy", 0, ("metric",)))
    lines.append(" ".join([release, ",".join(map(str, sizes)), ",".join("%08x" % b for b in values.view(np.uint32)),
                           mean.hex()]))
(out / f"metric_means_{release}.txt").write_text("\n".join(lines) + "\n")

if tuple(map(int, release.split(".")[:2])) >= (1, 7):
    from openfl.callbacks.metric_writer import MetricWriter

    moments = iter((10.0, 11.5, 20.0, 21.5))
    time.monotonic = lambda: next(moments)
    with tempfile.TemporaryDirectory() as directory:
        writer = MetricWriter(log_dir=directory)
        writer.use_tensorboard = False
        writer.set_params({"origin": "aggregator"})
        writer.on_experiment_begin()
        for number, accuracy in enumerate((0.25, 0.9312499761581421)):
            if hasattr(writer, "on_round_begin"):
                writer.on_round_begin(number)
            writer.on_round_end(number, {"aggregator/aggregated_model_validation/accuracy": accuracy,
                                         "aggregator/train/loss": 1e-05})
        writer.on_experiment_end()
        text = (pathlib.Path(directory) / "aggregator_metrics.txt").read_text()
    (out / f"metric_rounds_{release}.txt").write_text(text)
