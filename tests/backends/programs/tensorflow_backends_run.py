"""Runs the artefacts of a backend's cells and of each kind of checkpoint."""

import json
import os

os.environ.update(TF_CPP_MIN_LOG_LEVEL="1", CUDA_VISIBLE_DEVICES="-1", OMP_NUM_THREADS="2", ONEDNN_VERBOSE="1")
from pathlib import Path

from tests.backends import tensorflow_env as tiny

base, backend = Path(ARGS[0]), ARGS[1]
there = tiny.runnable(backend)
found = {name: tiny.run(cell, base / "first" / name, base / "log") for name, cell in there.items()}
kinds = {kind: tiny.run(there["fp32"], base / "kinds" / kind, base / "log") for kind in tiny.KINDS}
print(json.dumps({"cells": found, "kinds": kinds}))
