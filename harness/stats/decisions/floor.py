"""What a A/A comparison says about a host: its noise, its false alarms, and its floor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from statsmodels.stats.power import TTestPower

#: The share of changes of the size `smallest_change` that a comparison finds.
POWER = 0.8


@dataclass(frozen=True)
class Noise:
    """What the pairs of one or more A/A comparisons have shown. Changes are relative: 0.01 is one percent.

    `deviation_log` is the pooled standard deviation of the pairs' log-ratios, `smallest_change` the one that a paired
    t test finds with :data:`POWER`, `floor` the one below which nothing is reported, `drift` by how much two levels of
    one variant may differ: 95 % of two that are not paired do by less. None where too little was measured.
    """

    comparisons: int
    false_alarms: int
    deviation_log: float | None
    smallest_change: float | None
    floor: float | None
    drift: float | None


def noise(pairs: Sequence[tuple[Sequence[float], Sequence[float]]], alpha: float = 0.05) -> Noise:
    """Return what A/A comparisons have shown.

    Parameters
    ----------
    pairs : for each comparison the levels of variant A and of variant B, both of shape (pairs,) and in the order of
        time, positive, in any one unit.
    alpha : level of the two-sided paired t test on log-ratios, whose rejections are the `false_alarms`.
    """
    logs = [np.log(np.asarray(one, float)) - np.log(np.asarray(other, float)) for one, other in pairs]
    tested = [values for values in logs if len(values) >= 2]
    alarms = sum(bool(stats.ttest_1samp(values, 0).pvalue <= alpha) for values in tested if np.ptp(values) > 0)
    deviation = pooled_deviation(tested)
    drifts = [change for one, other in pairs if (change := _drift(one, other)) is not None]
    if deviation is None:
        return Noise(len(tested), alarms, None, None, None, max(drifts, default=None))
    count = min(len(values) for values in tested)
    return Noise(
        comparisons=len(tested),
        false_alarms=alarms,
        deviation_log=deviation,
        smallest_change=smallest_change(deviation, count, alpha),
        floor=floor(tested, alpha),
        drift=max(drifts, default=None),
    )


def pooled_deviation(groups: Sequence[Sequence[float] | np.ndarray]) -> float | None:
    """Return the standard deviation within groups, each about its own mean; None where no group has two values."""
    there = [np.asarray(values, float) for values in groups if len(values) >= 2]
    if not there:
        return None
    squares = sum(float(((values - values.mean()) ** 2).sum()) for values in there)
    return math.sqrt(squares / sum(len(values) - 1 for values in there))


def smallest_change(deviation_log: float, pairs: int, alpha: float = 0.05, power: float = POWER) -> float | None:
    """Return the relative change that a two-sided paired t test finds with `power`; None for fewer than two pairs.

    By the noncentral t distribution (J. Cohen, Statistical Power Analysis, 1988, section 2.3.4).

    Parameters
    ----------
    deviation_log : standard deviation of the pairs' log-ratios.
    """
    if pairs < 2:
        return None
    effect = TTestPower().solve_power(nobs=pairs, alpha=alpha, power=power, alternative="two-sided")
    return math.expm1(float(np.squeeze(effect)) * deviation_log)


def floor(log_ratios: Sequence[Sequence[float] | np.ndarray], alpha: float = 0.05) -> float | None:
    """Return the relative change below which a host lets nothing be told from noise.

    The larger of two: the largest change that the A/A comparisons have shown, though there was none; and the smallest
    one that a paired t test at `alpha` could take for real, given their pooled deviation and number of pairs. The
    first guards against noise that is not what the test assumes (spikes, two modes), the second against luck.

    Parameters
    ----------
    log_ratios : the log-ratios of the pairs of each comparison; those with fewer than two pairs do not count.
    """
    there = [np.asarray(values, float) for values in log_ratios if len(values) >= 2]
    deviation = pooled_deviation(there)
    if deviation is None:
        return None
    count = min(len(values) for values in there)
    reach = float(stats.t.ppf(1 - alpha / 2, count - 1)) * deviation / math.sqrt(count)
    return math.expm1(max(reach, *(abs(float(values.mean())) for values in there)))


def _drift(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Return by how much two levels of one and the same may differ: Student's prediction limit of a difference.

    The span of all that were seen would grow with their number, and so hide the more the longer one has measured.
    """
    logs = [np.log(np.asarray(variant, float)) for variant in (one, other) if len(variant) >= 2]
    reaches = [float(stats.t.ppf(0.975, len(variant) - 1) * variant.std(ddof=1)) * math.sqrt(2) for variant in logs]
    return math.expm1(max(reaches)) if reaches else None
