"""Percentiles of one invocation's samples, only where there are enough of them for the percentile to mean something.

The slowest of 12 passes is no p99: on average one pass in 13 is slower still. How much samples tell of a percentile is
known without any assumption on their distribution, from the binomial one (G. J. Hahn and W. Q. Meeker, Statistical
Intervals, 1991, section 5.2): an interval between two of them exists from a certain number on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def fewest_samples(share: float, confidence: float = 0.95) -> int:
    """Return from how many samples on an interval between two of them holds a percentile with that confidence.

    The widest is that from the smallest to the largest: it misses the percentile when all are above or all below it.
    """
    samples = 2
    while 1 - share**samples - (1 - share) ** samples < confidence:
        samples += 1
    return samples


def percentile(samples: Sequence[float], share: float, confidence: float = 0.95) -> float | None:
    """Return a percentile of one invocation's samples, in their unit; None where they are too few for an interval.

    Hyndman and Fan's type 6 (The American Statistician 50, 1996): a further sample is above it with a probability of
    1 - `share`, whatever the distribution, where the common type 7 of a few samples is exceeded more often.

    Raises
    ------
    ValueError : a sample is not finite.
    """
    values = np.asarray(samples, float)
    if not np.isfinite(values).all():
        raise ValueError("a percentile needs samples that are all finite")
    if len(values) < fewest_samples(share, confidence):
        return None
    return float(np.quantile(values, share, method="weibull"))
