"""Accuracy: the share of rows whose predicted class is the true one."""

from __future__ import annotations

import numpy as np

from harness.metrics.base import Metric


def accuracy(predictions: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return the share of rows that are right."""
    return (predictions == references).mean(axis=-1)


METRIC = Metric(kind="classification", values=accuracy, is_share=True, percent=True)
