"""How far a candidate's outputs are from FP32's, in NumPy, for every framework."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

#: What an output's last axis is: classes of which one is right, labels of which any may be, or plain values.
KINDS = ("classes", "labels", "values")


class Reference:
    """FP32's outputs on the proxy rows, which those of candidates are held against.

    Parameters
    ----------
    outputs : of each batch the arrays of outputs, each of shape (..., classes); the last axis may differ between
        batches, as with the positions of an answer in texts of other lengths.
    kind : one of :data:`KINDS`; classes of which there is one are a value.
    """

    def __init__(self, outputs: Iterable[Sequence[np.ndarray]], kind: str = "classes"):
        if kind not in KINDS:
            raise ValueError(f"kind={kind!r}: want one of {', '.join(KINDS)}")
        self._kind = kind
        self._expected = [[_rows(array) for array in batch] for batch in outputs]
        self._variances = [_variance(parts) for parts in zip(*self._expected, strict=True)]

    def divergence(self, outputs: Iterable[Sequence[np.ndarray]]) -> float:
        """Return the mean Kullback-Leibler divergence of a candidate's predictions from FP32's, in nats a row.

        Of labels: the sum over the labels, each a choice of two. Of values: the mean squared difference over FP32's
        variance.
        """
        total, rows = 0.0, 0
        for expected, found in zip(self._expected, outputs, strict=True):
            for wanted, array, variance in zip(expected, found, self._variances, strict=True):
                total += self._distance(wanted, _rows(array), variance)
                rows += len(wanted)
        return total / rows

    def _distance(self, wanted: np.ndarray, found: np.ndarray, variance: float) -> float:
        """Return the divergence of all rows together."""
        if self._kind == "labels":
            # log sigmoid(x) = -log(1 + exp(-x)), and that of the label's absence the same of -x.
            here, there = ((-np.logaddexp(0, -x), -np.logaddexp(0, x)) for x in (wanted, found))
            return float(sum((np.exp(p) * (p - q)).sum() for p, q in zip(here, there, strict=True)))
        if self._kind == "values" or wanted.shape[1] == 1:
            return float(np.square(wanted - found).mean(axis=1).sum()) / variance
        wanted, found = _log_probabilities(wanted), _log_probabilities(found)
        return float((np.exp(wanted) * (wanted - found)).sum())


def _rows(array: np.ndarray) -> np.ndarray:
    """Return an output as float64 of shape (rows, classes)."""
    values = np.asarray(array, np.float64)
    return values.reshape(-1, values.shape[-1]) if values.ndim else values.reshape(1, 1)


def _variance(parts: Sequence[np.ndarray]) -> float:
    """Return the variance of all values of an output; 1, which leaves differences as they are, where there is none."""
    values = np.concatenate([part.ravel() for part in parts])
    return float(values.var(ddof=1) or 1.0) if len(values) > 1 else 1.0


def _log_probabilities(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
