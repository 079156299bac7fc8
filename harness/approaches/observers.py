"""Observers that clip: a histogram of magnitudes, and the threshold that a percentile or an entropy finds in it.

Plain NumPy, for every framework that has none of its own.
"""

from __future__ import annotations

import math

import numpy as np

from harness.errors import StageError

#: The range of a histogram is at least half full, so that a threshold is found to 1/2048 of the largest magnitude.
BINS = 4096

#: Entropy search tries thresholds this many bins apart: each costs tens of microseconds, and a model has many tensors.
ENTROPY_STEP = 4

#: Stands for a probability of zero in the second distribution, where the divergence would be infinite.
SMALLEST_PROBABILITY = 1e-9


class MagnitudeHistogram:
    """Exact counts of \\|x\\| in :data:`BINS` equal bins from 0, and the smallest and largest x.

    When a larger magnitude comes, the range is doubled by adding up pairs of bins, so the counts never depend on the
    order in which values come.
    """

    def __init__(self) -> None:
        self.counts = np.zeros(BINS, np.int64)
        self.width = 0.0
        self.minimum = math.inf
        self.maximum = -math.inf

    def add(self, values: np.ndarray) -> None:
        """Count `values`, an array of any shape; ``nan`` when one of them is not finite."""
        if values.size == 0:
            return
        self.minimum = min(self.minimum, float(values.min()))
        self.maximum = max(self.maximum, float(values.max()))
        if not math.isfinite(self.maximum - self.minimum):
            raise StageError("nan", "a value that an observer was shown is not finite")
        magnitudes = np.abs(values, dtype=np.float64).ravel()
        largest = float(magnitudes.max())
        if self.width == 0.0 and largest > 0.0:
            # A power of two, so that equal data give equal bins whatever came first; zeros so far are in bin 0.
            self.width = 2.0 ** math.ceil(math.log2(largest)) / BINS
        while largest > self.width * BINS:
            self.counts = np.concatenate([self.counts.reshape(-1, 2).sum(axis=1), np.zeros(BINS // 2, np.int64)])
            self.width *= 2
        places = np.zeros(len(magnitudes), np.int64)
        if self.width > 0.0:
            places = np.minimum((magnitudes / self.width).astype(np.int64), BINS - 1)
        self.counts += np.bincount(places, minlength=BINS)

    def clipped(self, threshold: float) -> tuple[float, float]:
        """Return the observed range, cut at plus and minus `threshold`, which all of it may lie beyond."""
        return min(max(self.minimum, -threshold), threshold), max(min(self.maximum, threshold), -threshold)

    def percentile_threshold(self, percentile: float) -> float:
        """Return the upper edge of the bin that holds the nearest-rank percentile of \\|x\\|."""
        rank = nearest_rank(percentile, int(self.counts.sum()))
        place = int(np.searchsorted(np.cumsum(self.counts), rank))
        return (place + 1) * self.width

    def entropy_threshold(self, codes: int) -> float:
        """Return the threshold that loses least information to so many codes, as TensorRT's calibrator finds it.

        For each candidate the magnitudes below it, with those above added to the last bin, are compared by
        Kullback-Leibler divergence with what is left of them when the bins are merged into that many levels
        (S. Migacz, "8-bit Inference with TensorRT", GTC 2017).
        """
        # Data of both signs share the codes between them, and a threshold holds for each sign alone.
        levels = codes // 2 if self.minimum < 0 < self.maximum else codes
        used = int(np.flatnonzero(self.counts)[-1]) + 1
        candidates = [*range(levels, used, ENTROPY_STEP), used] if used > levels else [used]
        divergences = [divergence(self.counts, stop, levels) for stop in candidates]
        return candidates[int(np.argmin(divergences))] * self.width


def nearest_rank(percentile: float, count: int) -> int:
    """Return which of `count` numbers in rising order, from 1, is their percentile by nearest rank."""
    return min(max(1, math.ceil(percentile / 100 * count)), count)


def divergence(counts: np.ndarray, stop: int, levels: int) -> float:
    """Return the divergence in nats of clipping at bin `stop` and merging into `levels`; see the method above."""
    kept = counts[:stop].astype(np.float64)
    reference = kept.copy()
    reference[-1] += counts[stop:].sum()
    occupied = reference > 0
    starts = np.unique(np.arange(levels) * stop // levels)
    spread = np.add.reduceat(occupied.astype(np.float64), starts)
    share = np.add.reduceat(kept, starts) / np.maximum(spread, 1.0)
    merged = np.repeat(share, np.diff([*starts, stop])) * occupied
    p = reference[occupied] / reference.sum()
    q = np.maximum(merged[occupied] / max(kept.sum(), 1.0), SMALLEST_PROBABILITY)
    return float(np.sum(p * np.log(p / q)))
