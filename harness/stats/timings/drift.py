"""By how much a series of timings rises from its begin to its end, in NumPy alone: workers may have no SciPy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

#: The rise over a series, as a share, that a steady one must be shown not to have.
RAMP = 0.2

#: Standard deviation of a normal sample over its median absolute deviation.
_DEVIATION_OF_MAD = 1.4826
_CLIP = 3.5

#: The two one-sided levels of excluding a ramp, and the two-sided one of showing a drift.
_LEVEL = 0.05
#: A drift of less does not matter, however surely it is there.
_TOO_LITTLE = 0.02


def is_excluded(series: Sequence[Sequence[int] | np.ndarray]) -> bool:
    """Say whether the timed series of several invocations show together that they have neither a ramp nor a drift.

    One invocation of six slow iterations says little; what several have in common says more. Each one's rise is one
    value, because iterations inside one are not independent: their mean must be shown to be below 20 % in either
    direction, by two one-sided tests at 5 % each (D. J. Schuirmann, J. Pharmacokinetics and Biopharmaceutics 15, 1987),
    and must not be shown to be above 2 %.

    Parameters
    ----------
    series : of each invocation its latencies, in any unit; those of less than three iterations do not count.
    """
    rises = np.array([trend(np.log(np.asarray(one, float)))[0] for one in series if len(one) >= 3])
    if len(rises) < 4:
        return False
    freedom = len(rises) - 1
    mean, error = abs(float(rises.mean())), float(rises.std(ddof=1)) / math.sqrt(len(rises))
    if mean > _TOO_LITTLE and mean > student_quantile(1 - _LEVEL / 2, freedom) * error:
        return False
    return mean + student_quantile(1 - _LEVEL, freedom) * error < math.log1p(RAMP)


def trend(logs: np.ndarray) -> tuple[float, float]:
    """Return by how much a straight line through a series rises from its begin to its end, and the standard error.

    Least squares, with outliers drawn in. Shape (iterations,), at least three.
    """
    centre = float(np.median(logs))
    reach = max(_CLIP * _DEVIATION_OF_MAD * float(np.median(np.abs(logs - centre))), math.log1p(RAMP))
    values = np.clip(logs, centre - reach, centre + reach)
    count = len(values)
    places = (np.arange(count) - (count - 1) / 2) / count
    squares = float(places @ places)
    rise = float(places @ values) / squares
    residuals = values - values.mean() - rise * places
    return rise, math.sqrt(float(residuals @ residuals) / (count - 2) / squares)


def student_quantile(probability: float, freedom: int) -> float:
    """Return a quantile of Student's distribution, to 1 % from 3 degrees of freedom on; workers may have no SciPy.

    The expansion of M. Abramowitz and I. A. Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    z = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(freedom) ** power for power, term in enumerate(terms, 1))
