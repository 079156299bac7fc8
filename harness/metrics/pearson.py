"""Pearson's linear correlation of predicted and true numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.metrics.base import Metric, Weighable


def pearson(predictions: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return Pearson's r; not a number where a side is constant."""
    one = predictions - predictions.mean(axis=-1, keepdims=True)
    other = references - references.mean(axis=-1, keepdims=True)
    spread = np.sqrt((one**2).sum(axis=-1) * (other**2).sum(axis=-1))
    undefined = np.full(np.shape(spread), np.nan)
    return np.divide((one * other).sum(axis=-1), spread, out=undefined, where=spread > 0)


def _weighable(sides: Sequence[np.ndarray], true: np.ndarray) -> Weighable:
    return _correlation(sides[0], true) if len(sides) == 1 else _correlations(sides[0], sides[1], true)


def _correlation(predicted: np.ndarray, true: np.ndarray) -> Weighable:
    x, y = _standard(predicted), _standard(true)
    table = np.stack([np.ones(len(y)), y, y * y, x, x * x, x * y], axis=1)
    worst, best = ([1.0, 0, 1, 0, 1, product] for product in (-1.0, 1.0))
    return Weighable(table, np.ones(len(y)), np.array(worst), np.array(best), _r)


def _correlations(predicted: np.ndarray, baseline: np.ndarray, true: np.ndarray) -> Weighable:
    """The worst row is as far from the mean as rows are, and the first side has it on the wrong side of the mean."""
    x, b, y = _standard(predicted), _standard(baseline), _standard(true)
    table = np.stack([np.ones(len(y)), y, y * y, x, x * x, x * y, b, b * b, b * y], axis=1)

    def value(sums: np.ndarray) -> np.ndarray:
        return _r(sums[..., :6]) - _r(np.concatenate([sums[..., :3], sums[..., 6:]], axis=-1))

    mean = table.mean(axis=0)
    worst, best = mean.copy(), mean.copy()
    worst[5], best[8] = -1.0, -1.0
    return Weighable(table, np.ones(len(y)), worst, best, value)


def _r(sums: np.ndarray) -> np.ndarray:
    """Return Pearson's r from the weight and the sums of y, yy, x, xx, xy."""
    weight, y, yy, x, xx, xy = np.moveaxis(sums, -1, 0)
    spread = (xx * weight - x**2) * (yy * weight - y**2)
    undefined = np.full(np.shape(spread), np.nan)
    return np.divide(xy * weight - x * y, np.sqrt(np.maximum(spread, 0)), out=undefined, where=spread > 0)


def _standard(values: np.ndarray) -> np.ndarray:
    """Return the values with a mean of 0 and a standard deviation of 1; not a number where they are constant."""
    centred = values - values.mean()
    deviation = float(values.std())
    return centred / deviation if deviation > 0 else np.full(len(values), np.nan)


METRIC = Metric(kind="regression", values=pearson, weighable=_weighable)
