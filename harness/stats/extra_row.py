"""Intervals of metrics that allow what so few rows cannot exclude: the Bayesian bootstrap with one row more.

Resampling finds only what it has met: where two sides predict the same on 20 rows, every resample has a difference of
0, though one row in eight may well differ. So each limit is made from the rows and one more that is the worst (for the
upper limit the best) that a row can be, all weighed at random by a flat Dirichlet distribution: D. B. Rubin, The
Bayesian bootstrap (Annals of Statistics 9, 1981, 130-134), with the row of N. Gaffke (Mathematical Methods of
Statistics 14, 2005, 451-467). For a share that is exactly the limit of Clopper and Pearson. For the mean of any bounded
value no distribution is known for which it covers less than it says (E. Learned-Miller and P. S. Thomas,
arXiv:1905.06208). For other metrics it is an approximation, whose coverage ``suites/evidence/metric_intervals.py``
measures.

Each metric is a function of sums over rows, so that a weighing is one product of matrices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.stats.metrics import OF_COUNTS

_WEIGHINGS = 2000
#: Weights that may be held at once: 2**22 of 8 bytes.
_BATCH_ELEMENTS = 2**22


@dataclass(frozen=True)
class Weighable:
    """A statistic as a function of sums over rows.

    `features` has a line for each kind of row, shape (kinds, sums), and `counts` how many rows are of that kind.
    `worst` and `best` are the features of the row that lowers and of the one that raises the statistic most, shape
    (sums,). `value` turns sums of the shape (..., sums) into values (...).
    """

    features: np.ndarray
    counts: np.ndarray
    worst: np.ndarray
    best: np.ndarray
    value: Callable[[np.ndarray], np.ndarray]


def limits(subject: Weighable, confidence: float, seed: int) -> tuple[float, float] | tuple[None, None]:
    """Return the ends of the interval, which hold the estimate; (None, None) where the statistic is not defined."""
    random = np.random.default_rng(seed)
    kinds = len(subject.counts)
    batch = max(1, _BATCH_ELEMENTS // kinds)
    are_single = bool((subject.counts == 1).all())

    def weights(shape: tuple[int, int]) -> np.ndarray:
        # A kind of n rows has the sum of n exponential weights; drawing single ones as such is four times as fast.
        return random.standard_exponential(shape) if are_single else random.standard_gamma(subject.counts, shape)

    starts = range(0, _WEIGHINGS, batch)
    sums = np.concatenate([weights((min(batch, _WEIGHINGS - start), kinds)) @ subject.features for start in starts])
    weight = random.standard_exponential((_WEIGHINGS, 1))
    tail = (1 - confidence) / 2
    low = float(np.quantile(subject.value(sums + weight * subject.worst), tail))
    high = float(np.quantile(subject.value(sums + weight * subject.best), 1 - tail))
    estimate = float(subject.value(subject.counts @ subject.features))
    if not all(map(math.isfinite, (low, estimate, high))):
        return None, None
    return min(low, estimate), max(high, estimate)


def of_metric(name: str, predicted: np.ndarray, true: np.ndarray) -> Weighable:
    """Return a metric of one side, of rows as :func:`harness.stats.accuracy.metric_interval` takes them."""
    if name == "pearson":
        return _correlation(predicted, true)
    if name == "perplexity":
        return _perplexity(predicted, true)
    return _of_classes(name, [predicted], true)


def of_difference(name: str, predicted: np.ndarray, baseline: np.ndarray, true: np.ndarray) -> Weighable:
    """Return the metric minus the baseline's, of rows as of :func:`harness.stats.accuracy.paired_difference`."""
    if name == "pearson":
        return _correlations(predicted, baseline, true)
    if name == "perplexity":
        return _perplexities(predicted, baseline, true)
    return _of_classes(name, [predicted, baseline], true)


def _of_classes(name: str, sides: Sequence[np.ndarray], true: np.ndarray) -> Weighable:
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

    metric = OF_COUNTS[name]

    def value(sums: np.ndarray) -> np.ndarray:
        *parts, truth = np.split(sums, 2 * len(sides) + 1, axis=-1)
        found = [metric(*parts[2 * side : 2 * side + 2], truth) for side in range(len(sides))]
        return found[0] - found[1] if len(sides) == 2 else found[0]

    table = features(*rows)
    truth, wrong = np.nonzero(~np.eye(classes, dtype=bool))
    worst = features(truth, *([wrong, truth][: len(sides)]))
    best = features(truth, *([truth, wrong][: len(sides)]))
    total = counts @ table
    lowest = int(np.argmin(value(total + worst)))
    highest = int(np.argmax(value(total + best)))
    return Weighable(table, counts, worst[lowest], best[highest], value)


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
