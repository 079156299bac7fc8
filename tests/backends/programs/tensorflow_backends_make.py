"""Makes the artefacts of a backend's cells, two of them twice."""

import json
import os

os.environ.update(TF_CPP_MIN_LOG_LEVEL="1", CUDA_VISIBLE_DEVICES="-1", OMP_NUM_THREADS="2")
from pathlib import Path

from tests.backends import tensorflow_env as tiny

base, checkpoints, backend = Path(ARGS[0]), Path(ARGS[1]), ARGS[2]
made = {}
for name, cell in tiny.runnable(backend).items():
    made[name] = tiny.make(checkpoints / "Bert", cell, base / "first" / name)
for name in ("static", "qat"):
    tiny.make(checkpoints / "Bert", tiny.cells(backend)[name], base / "second" / name)
for kind in tiny.KINDS:
    tiny.make(checkpoints / kind, tiny.cells(backend)["fp32"], base / "kinds" / kind)
made["qat"]["rounded"] = tiny.rounded(checkpoints / "Bert", tiny.cells(backend)["qat"])
print(json.dumps(made))
