"""The metrics that intervals and tests are known for, over many samples of rows at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: A metric of (predictions, references), both (..., rows), over the last axis.
Metric = Callable[[np.ndarray, np.ndarray], np.ndarray]


def accuracy(predictions: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return the share of rows that are right."""
    return (predictions == references).mean(axis=-1)


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


def matthews_of(hits: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return the multi-class coefficient of J. Gorodkin (2004); 0 where a side has one class only.

    Parameters
    ----------
    hits, predicted, true : as of :func:`f1_macro_of`.
    """
    hits, predicted, true = (np.asarray(counts, float) for counts in (hits, predicted, true))
    rows = true.sum(axis=-1)
    covariance = hits.sum(axis=-1) * rows - (true * predicted).sum(axis=-1)
    spread = (rows**2 - (true**2).sum(axis=-1)) * (rows**2 - (predicted**2).sum(axis=-1))
    return np.divide(covariance, np.sqrt(np.maximum(spread, 0)), out=np.zeros(covariance.shape), where=spread > 0)


def pearson(predictions: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return Pearson's r; not a number where a side is constant."""
    one = predictions - predictions.mean(axis=-1, keepdims=True)
    other = references - references.mean(axis=-1, keepdims=True)
    spread = np.sqrt((one**2).sum(axis=-1) * (other**2).sum(axis=-1))
    undefined = np.full(np.shape(spread), np.nan)
    return np.divide((one * other).sum(axis=-1), spread, out=undefined, where=spread > 0)


def perplexity(predictions: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return the exponential of the mean loss of a token: of rows' mean losses in nats and numbers of tokens."""
    return np.exp((predictions * references).sum(axis=-1) / references.sum(axis=-1))


def _of_counts(metric: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]) -> Metric:
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


#: Metrics of classes, from the counts of each class.
OF_COUNTS = {"f1_macro": f1_macro_of, "matthews": matthews_of}

#: The metrics that a row-wise interval is known for, by the names of harness/tasks/metrics.
METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    **{name: _of_counts(metric) for name, metric in OF_COUNTS.items()},
    "pearson": pearson,
    "perplexity": perplexity,
}

#: Of these, those whose predictions are numbers and no classes.
NUMERIC = frozenset({"pearson", "perplexity"})
