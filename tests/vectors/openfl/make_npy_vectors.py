#!/usr/bin/env python3
"""Record what numpy writes of small arrays: what `vouch model save` packs.

    pip install 'numpy<2.3' && python3 make_npy_vectors.py OUT_DIR
"""
import pathlib
import sys

import numpy

for shape in ((3, 4), (7,), (), (2, 1, 3, 2)):
    values = (numpy.arange(numpy.prod(shape, dtype=int)) * 0.5 - 1.0).astype("<f4").reshape(shape)
    name = "x".join(map(str, shape)) or "scalar"
    numpy.save(pathlib.Path(sys.argv[1]) / f"npy_{name}.npy", values)
