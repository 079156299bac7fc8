"""Where the figure of a repetition falls: prediction intervals from what was measured before."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from harness.stats.timings.estimate import Interval, Ratio


def of_levels(levels: Sequence[float], further: int, confidence: float = 0.95) -> Interval | None:
    """Return where the geometric mean of `further` invocations' levels falls, from those of an earlier run.

    A prediction interval on logarithms (G. J. Hahn and W. Q. Meeker, Statistical Intervals, 1991, section 4.7). The
    interval of the level itself holds a repetition's estimate less often than its confidence says, because it leaves
    out the noise of the repetition.

    Parameters
    ----------
    levels : shape (invocations,), positive, in any unit.

    Returns
    -------
    Interval : in the unit of `levels`, with their geometric mean as the estimate; None for fewer than two of them, or
        none further.
    """
    logs = np.log(np.asarray(levels, float))
    if len(logs) < 2 or further < 1:
        return None
    mean, variance = float(logs.mean()), 1 / len(logs) + 1 / further
    return Interval(math.exp(mean), *_around(mean, float(logs.std(ddof=1)), variance, len(logs) - 1, confidence))


def of_ratio(ratio: Ratio, further: int, confidence: float = 0.95) -> Interval | None:
    """Return where the ratio from `further` pairs falls, from that of an earlier run; None without its spread."""
    if ratio.standard_error_log is None or further < 1:
        return None
    deviation = ratio.standard_error_log * math.sqrt(ratio.pairs)
    ends = _around(ratio.mean_log, deviation, 1 / ratio.pairs + 1 / further, ratio.pairs - 1, confidence)
    return Interval(ratio.estimate, *ends)


def _around(mean: float, deviation: float, variance: float, freedom: int, confidence: float) -> tuple[float, float]:
    reach = float(stats.t.ppf((1 + confidence) / 2, freedom)) * deviation * math.sqrt(variance)
    return math.exp(mean - reach), math.exp(mean + reach)
