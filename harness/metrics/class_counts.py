"""Metrics of classes that follow from how many rows of each class are right, predicted and true."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np

from harness.metrics.base import Metric, Weighable

#: A metric of (hits, predicted, true), each (..., classes): rows, or weights of rows, of each class.
OfCounts = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def of_counts(metric: OfCounts, percent: bool = False) -> Metric:
    """Return the metric of classes that `metric` makes of counts."""
    weighable = functools.partial(_weighable, metric)
    return Metric(kind="classification", values=_values(metric), weighable=weighable, percent=percent)


def _values(metric: OfCounts) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    def of_rows(predictions: np.ndarray, references: np.ndarray) -> np.ndarray:
        classes = int(max(predictions.max(), references.max())) + 1
        of_right = np.where(predictions == references, references, classes)
        sides = (of_right, classes + 1), (predictions, classes), (references, classes)
        return metric(*(_counts(side, kinds)[..., :classes] for side, kinds in sides))

    return of_rows


def _counts(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return how often each class occurs, shape (..., classes), of class indices (..., rows)."""
    flat = labels.astype(np.int64).reshape(-1, labels.shape[-1])
    offset = np.arange(len(flat))[:, None] * classes
    return np.bincount((flat + offset).ravel(), minlength=len(flat) * classes).reshape(*labels.shape[:-1], classes)


def _weighable(metric: OfCounts, sides: Sequence[np.ndarray], true: np.ndarray) -> Weighable:
    """Sums of each side: hits and predictions of each class; and at last the true rows of each class.

    The worst row is of the class where it harms most: the first side has it wrong, the second right. It may be of any
    class that occurs, for nothing says that what n rows did not show spares the rare ones.
    """
    present, labels = np.unique(np.concatenate([true, *sides]), return_inverse=True)
    rows, counts = np.unique(labels.reshape(len(sides) + 1, -1), axis=1, return_counts=True)
    # Where only one class occurs, a row can still be wrong.
    classes = max(len(present), 2)
    one_hot = np.eye(classes)

    def features(truth: np.ndarray, *predictions: np.ndarray) -> np.ndarray:
        parts = [part for one in predictions for part in (one_hot[one] * (one == truth)[:, None], one_hot[one])]
        return np.concatenate([*parts, one_hot[truth]], axis=1)

    def value(sums: np.ndarray) -> np.ndarray:
        *parts, truth = np.split(sums, 2 * len(sides) + 1, axis=-1)
        found = [metric(parts[2 * side], parts[2 * side + 1], truth) for side in range(len(sides))]
        return found[0] - found[1] if len(sides) == 2 else found[0]

    table = features(*rows)
    truth, wrong = np.nonzero(~np.eye(classes, dtype=bool))
    worst = features(truth, *([wrong, truth][: len(sides)]))
    best = features(truth, *([truth, wrong][: len(sides)]))
    total = counts @ table
    lowest = int(np.argmin(value(total + worst)))
    highest = int(np.argmax(value(total + best)))
    return Weighable(table, counts, worst[lowest], best[highest], value)
