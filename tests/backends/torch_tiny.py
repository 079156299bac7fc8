"""A tiny random BERT, rows for it, and the cells that the tests of the torch backends quantize it for.

The functions that import torch run in the environment's python; the cells are made anywhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.config.cell import Cell
from harness.config.schema import (
    ApproachConfig,
    BackendConfig,
    CalibrationConfig,
    FineTuneConfig,
    HostConfig,
    ModelConfig,
    ProtocolConfig,
    QatConfig,
    QuantizerConfig,
    TaskConfig,
    TunerConfig,
)
from harness.data.token_rows import Rows

VOCABULARY = 200

#: Linear layers of the tiny BERT: six in each of two layers, the pooler, the classifier.
LINEARS = 14

#: 37 is no multiple of the batch size, so the last batch is short.
CALIBRATION = CalibrationConfig(samples=37, batch_size=10)

_ACTIVATION = QuantizerConfig(dtype="uint8")
_WEIGHT = QuantizerConfig(scheme="symmetric", granularity="per_channel")


def make_cell(
    backend: str,
    method: str,
    *,
    precision: str | None = None,
    activation: dict[str, Any] | None = None,
    weight: dict[str, Any] | None = None,
    fallback: Sequence[str] = (),
    options: dict[str, Any] | None = None,
    engine: str | None = None,
    architecture: str = "bert",
) -> Cell:
    """Return a cell whose other fields are defaults."""
    names = {"none": "fp32", "cast": "bf16"}
    approach = ApproachConfig(
        name=method,
        method=method,
        precision=precision or names.get(method, "int8"),
        activation=dataclasses.replace(_ACTIVATION, **(activation or {})),
        weight=dataclasses.replace(_WEIGHT, **(weight or {})),
        calibration=CALIBRATION,
        qat=QatConfig(steps=12, batch_size=8, learning_rate=1e-3),
        fallback=tuple(fallback),
        options=options or {},
    )
    return Cell(
        key=f"tiny/{method}/{backend}",
        digest="0",
        model=ModelConfig(name="tiny", architecture=architecture),
        task=TaskConfig(name="words", fine_tune=FineTuneConfig(frozen=("embeddings",))),
        approach=approach,
        backend=BackendConfig(name=backend, environment="torch", engine=engine),
        tuner=TunerConfig(name="none"),
        host=HostConfig(name="native"),
        protocol=ProtocolConfig(name="smoke"),
        labels=("tiny", "words", method, backend, "none", "native", "smoke"),
    )


#: One layer by its full name; four below a module that is named from the encoder on.
_FIVE = ("bert.encoder.layer.1.output.dense", "encoder.layer.0.attention")
_IN_BF16 = {"fallback_precision": "bf16"}

CELLS: dict[str, Cell] = {
    "fp32 eager": make_cell("eager", "none"),
    "bf16 eager": make_cell("eager", "cast"),
    "dynamic": make_cell("eager", "dynamic"),
    "dynamic, per tensor": make_cell("eager", "dynamic", weight={"granularity": "per_tensor"}),
    "dynamic, 7 bits": make_cell("eager", "dynamic", activation={"reduce_range": True}, weight={"reduce_range": True}),
    "dynamic, onednn": make_cell("eager", "dynamic", engine="onednn"),
    "static eager": make_cell("eager", "static"),
    "static eager, percentile": make_cell(
        "eager",
        "static",
        activation={"observer": "percentile", "percentile": 99.9},
        weight={"observer": "percentile", "percentile": 97.0},
    ),
    "static eager, kl": make_cell("eager", "static", activation={"observer": "kl"}),
    "static eager, 7 bits": make_cell("eager", "static", activation={"reduce_range": True}),
    "static eager, fallback": make_cell("eager", "static", fallback=_FIVE),
    "static eager, bf16 fallback": make_cell("eager", "static", fallback=_FIVE, options=_IN_BF16),
    "dynamic, bf16 fallback": make_cell("eager", "dynamic", fallback=_FIVE, options=_IN_BF16),
    "fp32 fx": make_cell("fx", "none"),
    "bf16 fx": make_cell("fx", "cast"),
    "static fx": make_cell("fx", "static", activation={"observer": "histogram"}),
    "static fx, affine weights": make_cell("fx", "static", weight={"scheme": "affine"}),
    "static fx, symmetric": make_cell(
        "fx",
        "static",
        activation={"scheme": "symmetric", "observer": "moving_average"},
        weight={"granularity": "per_tensor", "observer": "histogram"},
    ),
    "static fx, onednn": make_cell("fx", "static", engine="onednn"),
    "static fx, fallback": make_cell("fx", "static", fallback=_FIVE),
    "qat": make_cell("fx", "qat", activation={"observer": "moving_average"}),
}


def make_rows(count: int, seed: int) -> Rows:
    """Return rows of 3 to 24 random tokens whose label says whether more of them are above the middle than below."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(3, 25, count)
    tokens = [generator.integers(5, VOCABULARY, length) for length in lengths]
    return Rows(
        input_ids=np.concatenate(tokens),
        token_type_ids=np.zeros(lengths.sum(), np.int64),
        offsets=np.cumsum([0, *lengths]),
        labels=np.array([int((row > VOCABULARY // 2).mean() > 0.5) for row in tokens]),
    )


def make_checkpoint(folder: Path, kind: str = "Bert", **fields: Any) -> None:
    """Write a random checkpoint whose weights are large enough for its logits to tell rows apart."""
    import torch
    import transformers

    torch.manual_seed(0)
    small = {"vocab_size": VOCABULARY, "max_position_embeddings": 32, "initializer_range": 0.15, "num_labels": 2}
    sizes = {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 128,
    }
    if kind == "DistilBert":
        sizes = {"dim": 64, "n_layers": 2, "n_heads": 2, "hidden_dim": 128}
    config = getattr(transformers, f"{kind}Config")(**{**small, **sizes, **fields})
    getattr(transformers, f"{kind}ForSequenceClassification")(config).save_pretrained(folder)


class Silent:
    """A report that nobody reads."""

    def progress(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Say nothing."""


class CountedRows(Rows):
    """Rows that note which of them were asked for."""

    seen: list[int]

    def batch(self, indices: Sequence[int], length: int | None = None) -> dict[str, np.ndarray]:
        """Note `indices`, then do as :class:`Rows` does."""
        type(self).seen.extend(int(index) for index in indices)
        return super().batch(indices, length)


def quantize(name: str, cell: Cell, base: Path, out: Path) -> dict[str, Any]:
    """Make a cell's artefact and return its provenance with the training rows that were shown."""
    from harness.backends.base import backend_class

    CountedRows.seen = []
    train = CountedRows(**{field.name: getattr(make_rows(120, 1), field.name) for field in dataclasses.fields(Rows)})
    out.mkdir(parents=True)
    provenance = backend_class(cell.backend.name)().quantize(base / "checkpoint", cell, train, out, Silent())
    return {**provenance, "shown": CountedRows.seen}


def evaluate(cell: Cell, artefact: Path) -> dict[str, Any]:
    """Load an artefact and return the logits of 64 rows in batches of 16, and what was executed."""
    from harness.backends.base import backend_class

    rows = make_rows(64, 2)
    backend = backend_class(cell.backend.name)()
    backend.load(artefact, cell)
    batches = rows.by_length(16)
    executed = backend.executed_precision(backend.inputs(rows.batch(batches[0])))
    logits = np.empty((len(rows), 2), np.float32)
    for indices in batches:
        logits[indices] = backend.logits(backend.forward(backend.inputs(rows.batch(indices))))
    alone = np.concatenate(
        [backend.logits(backend.forward(backend.inputs(rows.batch([index], 30)))) for index in range(8)]
    )
    return {
        "logits": logits.astype(float).tolist(),
        "alone": alone.astype(float).tolist(),
        "executed": [executed.int8_ops, executed.bf16_ops, executed.fp32_ops],
        "kernels": dict(executed.kernels),
    }
