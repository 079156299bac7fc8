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

import numpy as np

from harness.metrics.base import Weighable

_WEIGHINGS = 2000
#: Weights that may be held at once: 2**22 of 8 bytes.
_BATCH_ELEMENTS = 2**22


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
