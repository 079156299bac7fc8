"""Which training rows show the ranges: so many, in an order that a seed alone decides, and never evaluation data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import StageError

if TYPE_CHECKING:
    from harness.config.schema import CalibrationConfig


@dataclass(frozen=True)
class Calibration:
    """Row numbers of the training split, cut into batches of rows of like length, longest first."""

    batches: tuple[np.ndarray, ...]

    @property
    def rows(self) -> np.ndarray:
        """All row numbers in the order in which they are shown."""
        return np.concatenate(self.batches)

    def provenance(self) -> dict[str, Any]:
        """Return how many rows there are and the SHA-256 of their numbers as decimal text, joined by commas."""
        text = ",".join(str(row) for row in self.rows)
        return {"samples": len(self.rows), "rows_sha256": hashlib.sha256(text.encode()).hexdigest()}


def choose(lengths: np.ndarray, config: CalibrationConfig) -> Calibration:
    """Choose exactly ``config.samples`` rows without repetition.

    Sorted by length, so that a batch holds little padding, which would be observed like any token.

    Parameters
    ----------
    lengths : tokens in each row of the training split.

    Raises
    ------
    StageError : ``bad_config`` when there are fewer rows, or none are asked for.
    """
    if not 1 <= config.samples <= len(lengths):
        message = (
            f"approach.calibration.samples={config.samples}: want 1 to {len(lengths)}, the training rows there are"
        )
        raise StageError("bad_config", message)
    # The legacy generator's stream is the same in every version of NumPy, so in every environment.
    chosen = np.random.RandomState(config.seed).permutation(len(lengths))[: config.samples]
    chosen = chosen[np.argsort(-lengths[chosen], kind="stable")]
    batches = (chosen[start : start + config.batch_size] for start in range(0, len(chosen), config.batch_size))
    return Calibration(tuple(batches))
