"""A metric: balanced accuracy, the mean over the classes of the share of their rows that are right."""

from __future__ import annotations

import numpy as np

from harness.metrics.class_counts import of_counts


def balanced_accuracy_of(hits: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return the mean recall of the classes that occur in the truth; parameters as for macro-averaged F1."""
    recall = np.divide(hits, true, out=np.zeros(true.shape), where=true > 0)
    return recall.sum(axis=-1) / (true > 0).sum(axis=-1)


METRIC = of_counts(balanced_accuracy_of, percent=True)
