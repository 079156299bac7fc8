"""A tuned cell's accuracy on the evaluation rows that its tuner did not decide on, or a word that there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.stats.predictions import accuracy as accuracies

Record = Mapping[str, Any]

FLATTERS = "its accuracy is of the rows that its tuner chose it by, so it may flatter"


def unseen(prepared: Record | None, rows: int) -> np.ndarray | None:
    """Return the numbers of the `rows` evaluation rows that a cell's tuner did not see; None where it saw all."""
    seen = _tuned(prepared).get("seen")
    if not seen:
        return None
    left = np.setdiff1d(np.arange(rows), seen)
    return left if len(left) else None


def restricted(
    mine: Record, references: Sequence[float], kept: np.ndarray | None
) -> tuple[Record, Sequence[float]] | None:
    """Return an accuracy record as if only the rows `kept` had been evaluated, and their references.

    All of it where `kept` is None; None for a metric that does not follow from predictions here.
    """
    if kept is None:
        return mine, references
    predictions, true = ([values[row] for row in kept] for values in (mine["predictions"], references))
    metric = mine["metric"]
    whole = accuracies.metric_value(metric["name"], mine["predictions"], references)
    if whole is None or not np.isclose(whole, metric["value"], rtol=1e-6, atol=1e-9):
        return None
    value = accuracies.metric_value(metric["name"], predictions, true)
    if value is None or not np.isfinite(value):
        return None
    part = {"metric": {**metric, "value": value}, "predictions": predictions, "rows": len(kept)}
    return {**mine, **part}, true


def note(prepared: Record | None, kept: np.ndarray | None, rows: int) -> str | None:
    """Return what must be said of the accuracy of a tuned cell; None for a cell that no tuner chose.

    Parameters
    ----------
    kept : the rows that it is of, of the `rows` evaluated; None for all.
    """
    if not _tuned(prepared):
        return None
    return FLATTERS if kept is None else f"accuracy on the {len(kept)} of {rows} rows that its tuner did not decide on"


def _tuned(prepared: Record | None) -> Mapping[str, Any]:
    return {} if prepared is None else prepared["provenance"].get("tuned") or {}
