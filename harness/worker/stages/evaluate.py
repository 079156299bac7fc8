"""The stage `evaluate`: an artefact's accuracy on this host, row by row, with the executed precision verified."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.backends.base import Backend, ExecutedPrecision, backend_class
from harness.backends.common.multiplications import of_rows
from harness.backends.verify import predict, verify_precision
from harness.data.any_rows import AnyRows
from harness.data.seeding import fix_threads
from harness.data.token_rows import load_rows, origin
from harness.errors import StageError

if TYPE_CHECKING:
    from harness.config.cell import Cell
    from harness.ipc.report import Report


def run(spec: dict[str, Any], cell: Cell, report: Report) -> dict[str, Any]:
    """Evaluate ``spec["inputs"]["artefact"]`` on the evaluation rows, the first ``limit_evaluation`` if that is set.

    Returns
    -------
    dict : executed, predictions (one a row, in row order: class index, or number), logits_sha256 (over float32 logits
        in row order), rows, seconds (of the forward passes and what surrounds them). The stage `score` makes the metric
        of them, in one environment for all backends.

    Raises
    ------
    StageError : ``nan`` when a logit is not finite, ``no_int8_kernels`` when the cell claims INT8 and ran none,
        ``bad_labels`` when the model has fewer outputs than the rows have classes.
    """
    tokenised = Path(spec["inputs"]["tokenised"])
    rows = first_rows(load_rows(tokenised / "evaluation.npz"), spec["options"].get("limit_evaluation"))
    backend = backend_class(cell.backend.name)()
    report.progress("evaluate", 0, len(rows), "loading")
    backend.load(Path(spec["inputs"]["artefact"]), cell)
    fix_threads(spec["seed"], spec["threads"])
    batches = rows.by_length(cell.task.evaluation_batch_size)
    executed = whole(rows.batch(batches[0]), backend, spec["options"].get("per_row"))
    verify_precision(executed, cell)
    start = time.monotonic()
    logits = all_logits(backend, rows, batches, report, lambda row: origin(tokenised, row))
    seconds = time.monotonic() - start
    predictions = predict(logits, rows, cell.task.kind)
    return {
        "executed": _told(executed),
        "predictions": predictions,
        "logits_sha256": hashlib.sha256(np.ascontiguousarray(logits, "<f4").tobytes()).hexdigest(),
        "rows": len(rows),
        "seconds": seconds,
    }


def _told(executed: ExecutedPrecision) -> dict[str, Any]:
    """Return what was executed as the record holds it, without what is not known."""
    values = {**dataclasses.asdict(executed), "kernels": dict(executed.kernels)}
    return {name: value for name, value in values.items() if value is not None}


def first_rows(rows: AnyRows, limit: int | None) -> AnyRows:
    """Return the first `limit` rows; all of them for None."""
    if limit is None or limit >= len(rows):
        return rows
    if limit < 1:
        raise StageError("bad_config", f"protocol.limit_evaluation={limit}: want at least 1 row")
    return rows.first(limit)


def whole(batch: Mapping[str, np.ndarray], backend: Backend, per_row: Mapping[str, int] | None) -> ExecutedPrecision:
    """Return what `backend` executes on a batch, with the network's own multiplications where it does not show all.

    Parameters
    ----------
    per_row : of the FP32 network, as :func:`harness.models.work.per_row` gives them; None where they are not known.
    """
    executed = backend.executed_precision(backend.inputs(batch))
    if executed.multiplications is None:
        first = next(iter(batch.values()))
        total = of_rows(per_row, len(first), first.shape[1] if first.ndim == 2 else None)
        executed = dataclasses.replace(executed, multiplications=total)
    known, total = executed.int8_multiplications, executed.multiplications
    # A part that is larger than the whole is no part of it: then nothing is known.
    if known is None or total is None or known > total:
        executed = dataclasses.replace(executed, int8_multiplications=None, multiplications=None)
    return executed


def all_logits(
    backend: Backend,
    rows: AnyRows,
    batches: list[np.ndarray],
    report: Report,
    called: Callable[[int], str] = "evaluation row {}".format,
) -> np.ndarray:
    """Return float32 logits in row order, shape (rows, classes), from fixed batches.

    The batches never vary, because dynamic per-tensor scales depend on which rows share a batch. `called` names a row
    in a message.
    """
    logits: np.ndarray | None = None
    done = 0
    for indices in batches:
        part = np.asarray(backend.logits(backend.forward(backend.inputs(rows.batch(indices)))), np.float32)
        if part.ndim != 2 or len(part) != len(indices):
            raise StageError("error", f"the backend gave logits of shape {part.shape} for {len(indices)} rows")
        if not np.isfinite(part).all():
            bad = int(indices[np.flatnonzero(~np.isfinite(part).all(axis=1))[0]])
            raise StageError("nan", f"logits of {called(bad)} are not finite")
        if logits is None:
            logits = np.empty((len(rows), part.shape[1]), np.float32)
        logits[indices] = part
        done += len(indices)
        report.progress("evaluate", done, len(rows))
    assert logits is not None, "there is a row to evaluate"
    return logits
