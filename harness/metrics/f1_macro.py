"""Macro-averaged F1: the unweighted mean over the classes of the harmonic mean of precision and recall."""

from __future__ import annotations

import numpy as np

from harness.metrics.class_counts import of_counts


def f1_macro_of(hits: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return the mean F1 of the classes that occur on either side; a class without a hit counts 0, as in scikit-learn.

    Parameters
    ----------
    hits, predicted, true : how many rows (or what weight of rows) of each class are right, are predicted to be of it,
        are of it; shape (..., classes).
    """
    either = true + predicted
    f1 = np.divide(2 * hits, either, out=np.zeros(either.shape), where=either > 0)
    return f1.sum(axis=-1) / (either > 0).sum(axis=-1)


METRIC = of_counts(f1_macro_of, percent=True)
