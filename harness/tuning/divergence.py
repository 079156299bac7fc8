"""How far a candidate's outputs are from FP32's, in NumPy, for every framework."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


class Reference:
    """FP32's outputs on the proxy rows, which those of candidates are held against.

    Parameters
    ----------
    outputs : of each batch the arrays of logits, each of shape (..., classes); batches differ in rows only.
    """

    def __init__(self, outputs: Iterable[Sequence[np.ndarray]]):
        self._expected = [[_distributions(logits) for logits in batch] for batch in outputs]
        self._variances = [float(np.concatenate(parts).var(ddof=1)) for parts in zip(*self._expected, strict=True)]

    def divergence(self, outputs: Iterable[Sequence[np.ndarray]]) -> float:
        """Return the mean Kullback-Leibler divergence of a candidate's predictions from FP32's, in nats a row.

        For a single output, which is no distribution: the mean squared difference over FP32's variance.
        """
        total, rows = 0.0, 0
        for expected, found in zip(self._expected, outputs, strict=True):
            for wanted, logits, variance in zip(expected, found, self._variances, strict=True):
                total += _distance(wanted, _distributions(logits), variance)
                rows += len(wanted)
        return total / rows


def _distributions(logits: np.ndarray) -> np.ndarray:
    """Return log-probabilities, shape (rows, classes); a single class as it is."""
    rows = np.asarray(logits, np.float64).reshape(-1, np.shape(logits)[-1])
    if rows.shape[1] == 1:
        return rows
    shifted = rows - rows.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _distance(wanted: np.ndarray, found: np.ndarray, variance: float) -> float:
    """Return the divergence of all rows together."""
    if wanted.shape[1] == 1:
        return float(np.square(wanted - found).sum()) / (variance or 1.0)
    return float((np.exp(wanted) * (wanted - found)).sum())
