"""Intervals of a difference on the same rows, in NumPy alone: tuning decides inside environments without SciPy.

What :mod:`harness.stats.predictions.accuracy` says of finished outcomes in the parent, this says while an evaluation
goes on.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from harness.metrics.base import Weighable
from harness.stats.predictions import extra_row, tango

#: The normal approximation of a mean is trusted from so many rows on.
ENOUGH_ROWS = 30

#: A row has not moved that moved by less than this share of the standard deviation: where few do, as the scores of
#: perplexity tell it, they move the others by a little.
_UNMOVED = 0.25


def difference_interval(
    scores: np.ndarray, baseline_scores: np.ndarray, confidence: float
) -> tuple[float, float] | None:
    """Return the ends of the interval of ``mean(scores) - mean(baseline_scores)``, or None where there is none.

    Right or wrong (0 or 1) on both sides: :func:`harness.stats.predictions.tango.interval`. Other scores:
    :func:`mean_interval`, where a row can move by the range of all scores.

    Parameters
    ----------
    scores, baseline_scores : shape (rows,), in the same row order.
    """
    scores, baseline_scores = np.asarray(scores, np.float64), np.asarray(baseline_scores, np.float64)
    if scores.shape != baseline_scores.shape or scores.ndim != 1 or not scores.size:
        raise ValueError(f"want scores of the same rows, at least one: {scores.shape}, {baseline_scores.shape}")
    if all(np.isin(side, (0.0, 1.0)).all() for side in (scores, baseline_scores)):
        change = scores - baseline_scores
        return tango.interval(int((change > 0).sum()), int((change < 0).sum()), len(change), confidence)
    both = np.concatenate([scores, baseline_scores])
    return mean_interval(scores - baseline_scores, confidence, float(np.ptp(both)))


def perplexity_scores(losses: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Return a score for each row whose mean is the perplexity, and whose spread is that of its estimate.

    The delta method: the exponential of the mean loss, linear in each row's loss at that mean. So the interval of a
    difference of means is that of a difference of perplexities, if both are of the same rows.

    Parameters
    ----------
    losses : each row's mean negative log-likelihood of a token, in nats, shape (rows,).
    tokens : how many it is the mean of, shape (rows,).
    """
    losses, shares = np.asarray(losses, np.float64), np.asarray(tokens, np.float64)
    shares = shares / shares.sum()
    mean = float(shares @ losses)
    return math.exp(mean) * (1 + len(losses) * shares * (losses - mean))


def mean_interval(differences: np.ndarray, confidence: float, reach: float = 0.0) -> tuple[float, float] | None:
    """Return the interval of a mean; None below :data:`ENOUGH_ROWS` rows, or of rows all alike without a `reach`.

    Where most rows have moved it is the normal one. Where most have not, those that did say little of the next one that
    will: then :mod:`harness.stats.predictions.extra_row`, with a row that moves as far as a row can.

    Parameters
    ----------
    reach : how far a row can move; as far as the furthest has if that is more.
    """
    rows = len(differences)
    if rows < ENOUGH_ROWS or not np.isfinite(differences).all():
        return None
    deviation = float(np.std(differences, ddof=1))
    if 2 * np.count_nonzero(np.abs(differences) > _UNMOVED * deviation) < rows:
        reach = max(reach, float(np.abs(differences).max()))
        return _sparse(np.asarray(differences, float), confidence, reach) if reach else None
    if deviation == 0.0:
        return None
    half = NormalDist().inv_cdf((1 + confidence) / 2) * deviation / math.sqrt(rows)
    mean = float(np.mean(differences))
    return mean - half, mean + half


def _sparse(differences: np.ndarray, confidence: float, reach: float) -> tuple[float, float] | None:
    values, counts = np.unique(differences, return_counts=True)
    subject = Weighable(
        features=np.stack([values, np.ones(len(values))], axis=1),
        counts=counts,
        worst=np.array([-reach, 1.0]),
        best=np.array([reach, 1.0]),
        value=lambda sums: sums[..., 0] / sums[..., 1],
    )
    low, high = extra_row.limits(subject, confidence, 0)
    return None if low is None or high is None else (low, high)
