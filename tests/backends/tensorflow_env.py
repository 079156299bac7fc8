"""The environments of the TensorFlow backends, and what the tests run in them on a tiny random checkpoint."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.config.cell import Cell
from tests.backends.torch_tiny import Silent, make_cell, make_rows

#: By environment, which has the same name as its backend.
NAMES = ("tensorflow", "intel_tensorflow", "itex")

#: The tiny checkpoints that transformers makes, by the class's name before ``Config``.
KINDS = ("Bert", "DistilBert", "Roberta", "Electra")

PER_TENSOR = {"granularity": "per_tensor"}


def cells(backend: str) -> dict[str, Cell]:
    """Return the cells to make, by name."""
    fallback = ("encoder.layer.0.attention", "bert.encoder.layer.1.output.dense")
    return {
        "fp32": make_cell(backend, "none"),
        "bf16": make_cell(backend, "cast"),
        "static": make_cell(backend, "static", weight=PER_TENSOR),
        "static, fallback": make_cell(backend, "static", weight=PER_TENSOR, fallback=fallback),
        "qat": make_cell(backend, "qat", weight=PER_TENSOR, activation={"observer": "moving_average"}),
        "qat, minmax, fallback": make_cell(backend, "qat", weight=PER_TENSOR, fallback=fallback),
    }


def runnable(backend: str) -> dict[str, Cell]:
    """Return the cells that this host's instruction sets let run."""
    from harness.backends.base import backend_class
    from tests.needs import ISA

    supports = backend_class(backend).supports
    return {name: cell for name, cell in cells(backend).items() if supports(cell, ISA) is None}


class Steps(Silent):
    """A report that keeps the last step of each stage and how many there were to be."""

    def __init__(self) -> None:
        self.seen: dict[str, list[int]] = {}

    def progress(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Keep the step."""
        self.seen[stage] = [done, total]


def make(checkpoint: Path, cell: Cell, out: Path) -> dict[str, Any]:
    """Make an artefact in the environment's python; return the provenance, the rows shown and the steps reported."""
    from harness.backends.base import backend_class
    from harness.data.token_rows import Rows

    shown: list[int] = []

    class CountedRows(Rows):
        def batch(self, indices: Sequence[int], length: int | None = None) -> dict[str, np.ndarray]:
            shown.extend(int(index) for index in indices)
            return super().batch(indices, length)

    rows = make_rows(120, 1)
    train = CountedRows(**{field.name: getattr(rows, field.name) for field in dataclasses.fields(Rows)})
    out.mkdir(parents=True)
    steps = Steps()
    provenance = backend_class(cell.backend.name)().quantize(checkpoint, cell, train, out, steps)
    return {**provenance, "shown": shown, "steps": steps.seen}


def rounded(checkpoint: Path, cell: Cell) -> list[list[float]]:
    """Train as the cell says; return the logits, in floats, of the very function that training rounded."""
    import tensorflow as tf

    from harness.backends.tensorflow_common import frozen_graph, qat
    from harness.backends.tensorflow_common.encoder import read_encoder

    trained = qat.train(read_encoder(checkpoint), cell.approach, (), make_rows(120, 1), Silent())
    weights = trained.encoder.weights

    def dense(name: str, states: Any) -> Any:
        kernel, (low, high) = weights[f"{name}.weight"], trained.ranges[name]
        limit = float(np.abs(kernel).max())
        states = tf.quantization.fake_quant_with_min_max_args(states, low, high)
        kernel = tf.quantization.fake_quant_with_min_max_args(tf.constant(kernel), -limit, limit, narrow_range=True)
        return tf.matmul(states, kernel, transpose_b=True) + weights[f"{name}.bias"]

    graph = frozen_graph.build(trained.encoder, dense)
    runner = frozen_graph.Runner(graph, list(frozen_graph.INPUTS), frozen_graph.OUTPUT)
    rows = make_rows(64, 2)
    logits = np.empty((len(rows), 2), np.float32)
    for indices in rows.by_length(16):
        batch = rows.batch(indices)
        logits[indices] = runner.call(*(batch[name].astype(np.int32) for name in runner.inputs))
    return logits.astype(float).tolist()


def run(cell: Cell, artefact: Path, log: Path) -> dict[str, Any]:
    """Load an artefact; return logits of 64 rows, of some of them alone, and what the runtime and oneDNN say they ran.

    ``ONEDNN_VERBOSE`` must have been set before. oneDNN writes to the standard output, which goes to `log` meanwhile.
    """
    from harness.backends.base import backend_class

    rows = make_rows(64, 2)
    backend = backend_class(cell.backend.name)()
    backend.load(artefact, cell)
    batches = rows.by_length(16)
    first = backend.inputs(rows.batch(batches[0]))
    backend.forward(first)
    kept = os.dup(1)
    with log.open("wb") as stream:
        os.dup2(stream.fileno(), 1)
        backend.forward(first)
        os.dup2(kept, 1)
    logits = np.empty((len(rows), 2), np.float32)
    for indices in batches:
        logits[indices] = backend.logits(backend.forward(backend.inputs(rows.batch(indices))))
    alone = [backend.logits(backend.forward(backend.inputs(rows.batch([index], 30)))) for index in range(8)]
    return {
        "logits": logits.astype(float).tolist(),
        "alone": np.concatenate(alone).astype(float).tolist(),
        "executed": dataclasses.asdict(backend.executed_precision(first)),
        "onednn": [line for line in log.read_text(errors="replace").splitlines() if ",exec," in line],
    }
