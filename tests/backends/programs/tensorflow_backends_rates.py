"""Prints how far training moves a weight without any learning rate, and with one in the first step alone."""

import json
import os

os.environ.update(TF_CPP_MIN_LOG_LEVEL="1", CUDA_VISIBLE_DEVICES="-1", OMP_NUM_THREADS="2")
from pathlib import Path

import numpy as np

from harness.approaches import training
from harness.backends.tensorflow_common import qat
from harness.backends.tensorflow_common.encoder import read_encoder
from tests.backends import tensorflow_env as tiny

cell, moved = tiny.cells(ARGS[1])["qat"], {}
encoder = read_encoder(Path(ARGS[0]) / "Bert")
for name, rates in (("nothing", [0.0] * 12), ("first alone", [1e-3] + [0.0] * 11)):
    training.learning_rate = lambda step, config, rates=rates: rates[step]
    trained = qat.train(encoder, cell.approach, (), tiny.make_rows(120, 1), tiny.Silent())
    key = "bert.encoder.layer.0.output.dense.weight"
    moved[name] = float(np.median(np.abs(trained.encoder.weights[key] - encoder.weights[key])))
print(json.dumps(moved))
