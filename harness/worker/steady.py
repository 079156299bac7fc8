"""When warm-up ends: the process's own series has become flat.

The rule. Look at the last two windows of `window` iterations each, after each further window. They are flat when

1. their medians differ by at most 2 %, or by no more than the scatter within the windows explains (two standard errors
   of a difference of medians), and
2. they show no trend: the Mann-Kendall test does not reject at 5 %, or the Theil-Sen slope moves the series by at most
   0.5 % from one window to the next, which is too little to matter.

When the time is up before, the windows become half of what there is, but never less than three iterations: a series of
slow iterations can be judged too, and one that still falls or rises is not steady.

H. B. Mann, Nonparametric tests against trend, Econometrica 13 (1945); M. G. Kendall, Rank correlation methods (1975),
with his correction for ties; P. K. Sen, Estimates of the regression coefficient based on Kendall's tau, JASA 63 (1968).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

MEDIAN_TOLERANCE = 0.02
DRIFT_TOLERANCE = 0.005
SIGNIFICANCE = 0.05

#: The shortest window that has a median worth the name; a warm-up is never shorter than two of them.
SHORTEST_WINDOW = 3

#: Standard deviation of a normal sample over its median absolute deviation, and of its median over that of its mean.
_DEVIATION_OF_MAD = 1.4826
_DEVIATION_OF_MEDIAN = math.sqrt(math.pi / 2)


@dataclass(frozen=True)
class WarmUp:
    """What was discarded, in nanoseconds and in order, and whether the series was flat at its end."""

    samples_ns: list[int]
    steady: bool


def warm_up(take: Callable[[int, float], Sequence[int]], window: int, max_seconds: float) -> WarmUp:
    """Iterate until the series is flat, or its iterations have taken `max_seconds`.

    Parameters
    ----------
    take : makes so many iterations, but stops after the one that passes so many seconds; returns their nanoseconds.
    window : iterations in each of the two windows, at least 3.
    max_seconds : the cap; but at least six iterations are made, for fewer say nothing.
    """
    samples: list[int] = []
    left = max_seconds
    while left > 0:
        samples.extend(take(window, left))
        if len(samples) >= 2 * window and is_flat(samples[-2 * window :]):
            return WarmUp(samples, True)
        left = max_seconds - sum(samples) / 1e9
    while len(samples) < 2 * SHORTEST_WINDOW:
        samples.extend(take(1, 0.0))
    length = min(window, len(samples) // 2)
    return WarmUp(samples, is_flat(samples[-2 * length :]))


def is_flat(samples: Sequence[int] | np.ndarray) -> bool:
    """Say whether two windows, the first and the second half of `samples`, are flat by the module's rule."""
    series = np.asarray(samples, float)
    window = len(series) // 2
    early, late = series[:window], series[window:]
    level = float(np.median(series))
    if level <= 0:
        return True
    shift = abs(float(np.median(late) - np.median(early))) / level
    scatter = _standard_error(early, late) / level
    if shift > max(MEDIAN_TOLERANCE, 2 * scatter):
        return False
    drift = abs(theil_sen_slope(series)) * window / level
    return drift <= DRIFT_TOLERANCE or mann_kendall_p(series) >= SIGNIFICANCE


def mann_kendall_p(series: np.ndarray) -> float:
    """Return the two-sided p-value of the Mann-Kendall test for a trend: normal, corrected for ties and continuity."""
    count = len(series)
    rows, columns = np.triu_indices(count, 1)
    score = float(np.sign(series[columns] - series[rows]).sum())
    _, ties = np.unique(series, return_counts=True)
    variance = (_spread(count) - float(sum(_spread(int(tie)) for tie in ties))) / 18
    if variance <= 0:
        return 1.0
    z = max(0.0, abs(score) - 1) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2))


def theil_sen_slope(series: np.ndarray) -> float:
    """Return the median of the slopes between all pairs of points, per iteration."""
    rows, columns = np.triu_indices(len(series), 1)
    return float(np.median((series[columns] - series[rows]) / (columns - rows)))


def _spread(count: int) -> int:
    return count * (count - 1) * (2 * count + 5)


def _standard_error(early: np.ndarray, late: np.ndarray) -> float:
    """Return the standard error of the difference of the two medians, from the scatter within each window."""
    residuals = np.concatenate([early - np.median(early), late - np.median(late)])
    deviation = _DEVIATION_OF_MAD * float(np.median(np.abs(residuals)))
    return deviation * _DEVIATION_OF_MEDIAN * math.sqrt(2 / len(early))
