"""Makes and runs a BF16 cell and prints oneDNN's kernels."""

import json
import os

os.environ.update(TF_CPP_MIN_LOG_LEVEL="1", CUDA_VISIBLE_DEVICES="-1", OMP_NUM_THREADS="2", ONEDNN_VERBOSE="1")
from pathlib import Path

from tests.backends import tensorflow_env as tiny

(checkpoint, out), cell = map(Path, ARGS[0]), tiny.cells(ARGS[1])["bf16"]
tiny.make(checkpoint, cell, out)
print(json.dumps(tiny.run(cell, out, out / "log")["onednn"]))
