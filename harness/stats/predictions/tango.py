"""Tango's score test and interval of the difference of two paired shares.

For the parent and for children alike, whose environments may have no SciPy: nothing but arithmetic.
"""

from __future__ import annotations

import math
from statistics import NormalDist

#: Steps of bisection: the interval is halved to below what a double can tell.
_HALVINGS = 60


def variance(fixed: int, broken: int, rows: int, difference: float) -> float:
    """Return the variance of ``fixed - broken`` where the true difference of two paired shares is `difference`.

    T. Tango, Statistics in Medicine 17 (1998) 891-908: with the share of rows that only the second side gets right at
    its most likely value under that difference. It vanishes where no disagreement, or nothing else, is possible.

    Parameters
    ----------
    fixed, broken : rows that only the first, only the second side got right.
    rows : all rows, at least one.
    """
    linear = (2 * rows - fixed + broken) * difference - fixed - broken
    constant = -broken * difference * (1 - difference)
    only_second = (math.sqrt(max(linear**2 - 8 * rows * constant, 0.0)) - linear) / (4 * rows)
    return rows * (2 * only_second + difference * (1 - difference))


def interval(fixed: int, broken: int, rows: int, confidence: float) -> tuple[float, float]:
    """Return Tango's score interval of ``(fixed - broken) / rows`` (Statistics in Medicine 17 (1998) 891-908).

    It keeps its coverage with few disagreements and has a width when there is none.

    Parameters
    ----------
    fixed, broken : rows that only the first, only the second side got right.
    """
    critical = NormalDist().inv_cdf((1 + confidence) / 2)
    estimate = (fixed - broken) / rows

    def end(outside: float) -> float:
        inside = estimate
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            if abs(score_statistic(fixed, broken, rows, middle)) > critical:
                outside = middle
            else:
                inside = middle
        return (inside + outside) / 2

    return end(-1.0), end(1.0)


def score_statistic(fixed: int, broken: int, rows: int, difference: float) -> float:
    """Return Tango's standard normal statistic of "the true difference is `difference`"; 0 at the estimate."""
    excess = fixed - broken - rows * difference
    spread = variance(fixed, broken, rows, difference)
    if spread <= 0.0:
        return math.copysign(math.inf, excess) if excess else 0.0
    return excess / math.sqrt(spread)
