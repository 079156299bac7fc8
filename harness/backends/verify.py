"""Holds what a backend has executed against what its cell claims, and makes predictions of logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.errors import StageError

if TYPE_CHECKING:
    from harness.backends.base import ExecutedPrecision
    from harness.config.cell import Cell
    from harness.data.any_rows import AnyRows


def verify_precision(executed: ExecutedPrecision, cell: Cell) -> None:
    """Raise unless the runtime executed the precision that the cell claims.

    Raises
    ------
    StageError : ``no_int8_kernels``; ``error`` for a bf16 cell that ran no bf16 operation.
    """
    claimed = cell.approach.precision
    counts = f"{executed.source} saw {executed.int8_ops} int8, {executed.bf16_ops} bf16, {executed.fp32_ops} fp32 ops"
    if claimed == "int8" and executed.int8_ops == 0:
        raise StageError("no_int8_kernels", f"{cell.key} claims int8, but {counts}")
    if claimed == "bf16" and executed.bf16_ops == 0:
        raise StageError("error", f"{cell.key} claims bf16, but {counts}")


def predict(logits: np.ndarray, rows: AnyRows, kind: str) -> list[int] | list[float]:
    """Return one prediction a row: the class with the largest logit (the first of equals), or the number itself.

    The number of a language model is its mean loss on the row (see :mod:`harness.models.window_loss`).
    """
    if kind != "classification":
        return logits[:, 0].astype(float).tolist()
    if rows.labels.max() >= logits.shape[1]:
        message = f"the model has {logits.shape[1]} outputs, the rows have class {int(rows.labels.max())}"
        raise StageError("bad_labels", message)
    return logits.argmax(axis=1).tolist()
