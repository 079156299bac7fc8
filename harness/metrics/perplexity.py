"""Perplexity over all predicted tokens: among so many tokens a model is undecided. Lower is better.

Predictions are each row's mean negative log-likelihood of its predicted tokens, in nats; references are how many
tokens of each row were predicted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.metrics.base import Metric, Weighable


def perplexity(predictions: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return the exponential of the mean loss of a token: of rows' mean losses in nats and numbers of tokens."""
    return np.exp((predictions * references).sum(axis=-1) / references.sum(axis=-1))


def _weighable(sides: Sequence[np.ndarray], tokens: np.ndarray) -> Weighable:
    return _perplexity(sides[0], tokens) if len(sides) == 1 else _perplexities(sides[0], sides[1], tokens)


def _perplexity(losses: np.ndarray, tokens: np.ndarray) -> Weighable:
    shares = tokens / tokens.mean()
    table = np.stack([shares, shares * losses], axis=1)
    worst, best = (np.array([1.0, end]) for end in (losses.min(), losses.max()))
    return Weighable(table, np.ones(len(losses)), worst, best, lambda sums: np.exp(sums[..., 1] / sums[..., 0]))


def _perplexities(losses: np.ndarray, baseline: np.ndarray, tokens: np.ndarray) -> Weighable:
    """A text may move as far as two texts lie apart; where most have moved, half a standard deviation from the mean.

    Where few have moved nothing shows how far the next one will. Where most have, one may still move further than all
    that did.
    """
    shares = tokens / tokens.mean()
    table = np.stack([shares, shares * losses, shares * baseline], axis=1)
    moved, apart = losses - baseline, float(baseline.std())
    if 2 * np.count_nonzero(moved) < len(moved):
        reach = max(float(np.abs(moved).max()), math.sqrt(2) * apart)
        ends = -reach, reach
    else:
        mean = float(moved.mean())
        ends = min(float(moved.min()), mean - apart / 2), max(float(moved.max()), mean + apart / 2)
    level = float(shares @ baseline) / len(baseline)
    worst, best = (np.array([1.0, level + end, level]) for end in ends)

    def value(sums: np.ndarray) -> np.ndarray:
        return np.exp(sums[..., 1] / sums[..., 0]) - np.exp(sums[..., 2] / sums[..., 0])

    return Weighable(table, np.ones(len(losses)), worst, best, value)


METRIC = Metric(kind="language_modelling", values=perplexity, weighable=_weighable)
