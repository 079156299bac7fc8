"""The variance of Tango's score test, for the parent and for children whose environments have no SciPy."""

from __future__ import annotations

import math


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
