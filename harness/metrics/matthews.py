"""Matthews' correlation coefficient of predicted and true classes; 0 is chance, whatever the balance of the classes."""

from __future__ import annotations

import numpy as np

from harness.metrics.class_counts import of_counts


def matthews_of(hits: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return the multi-class coefficient of J. Gorodkin (2004); 0 where a side has one class only.

    Parameters
    ----------
    hits, predicted, true : as of :func:`harness.metrics.f1_macro.f1_macro_of`.
    """
    hits, predicted, true = (np.asarray(counts, float) for counts in (hits, predicted, true))
    rows = true.sum(axis=-1)
    covariance = hits.sum(axis=-1) * rows - (true * predicted).sum(axis=-1)
    spread = (rows**2 - (true**2).sum(axis=-1)) * (rows**2 - (predicted**2).sum(axis=-1))
    return np.divide(covariance, np.sqrt(np.maximum(spread, 0)), out=np.zeros(covariance.shape), where=spread > 0)


METRIC = of_counts(matthews_of)
