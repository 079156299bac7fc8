"""Which training rows show the ranges: exactly as many as asked for, in an order that the seed alone decides."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import StageError

if TYPE_CHECKING:
    from harness.plan.config import CalibrationConfig


def calibration_batches(rows: int, config: CalibrationConfig) -> list[np.ndarray]:
    """Return batches of training row numbers; the last one is smaller where the batch size does not divide them.

    Raises
    ------
    StageError : ``bad_config`` when there are fewer training rows than samples wanted.
    """
    if config.samples > rows:
        raise StageError("bad_config", f"approach.calibration.samples={config.samples}: there are {rows} training rows")
    order = np.random.RandomState(config.seed).permutation(rows)[: config.samples]
    return [order[start : start + config.batch_size] for start in range(0, config.samples, config.batch_size)]


def calibration_provenance(batches: list[np.ndarray]) -> dict[str, Any]:
    """Return how many rows were shown, and a SHA-256 over their numbers in order."""
    order = np.concatenate(batches).astype("<i8")
    return {"samples": len(order), "rows_sha256": hashlib.sha256(order.tobytes()).hexdigest()}
