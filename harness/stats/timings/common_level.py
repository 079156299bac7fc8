"""The level of a cell where its baseline's is taken as known: that of the whole group, not of the cell's own blocks.

Many cells are timed in interleaved groups of a few, each with the baseline, and a shared host is slower during some of
them. Levels of different groups are then no more comparable than those of different days. The ratio to the baseline
within a group is, so a cell's level is the baseline's over all groups, divided by the cell's speed-up: the adjusted
mean of a block design in which all blocks have the control in common (S. C. Pearce, Biometrika 47, 1960).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from harness.stats.timings import pairs
from harness.stats.timings.disturbance import Invocation
from harness.stats.timings.estimate import Interval


@dataclass(frozen=True)
class CommonLevel:
    """The level of a cell in one series.

    `level` is in nanoseconds a pass. `by_block` maps each block behind it to the level there, brought to the common
    one: their geometric mean is `level`. `factors` maps the same blocks to what a latency of the block was multiplied
    by for that. Where the cell has no block with the baseline, its levels are its own.
    """

    level: Interval
    by_block: Mapping[int, float]
    factors: Mapping[int, float]


def common_level(
    baseline: Mapping[int, Invocation], cell: Mapping[int, Invocation], confidence: float = 0.95
) -> CommonLevel | None:
    """Return a cell's level where the ratio of the baseline's to it is :func:`harness.stats.timings.pairs.speed_up`'s.

    The interval is over blocks. The baseline is known from more blocks than the cell, so it is that of a difference
    estimator in double sampling (W. G. Cochran, Sampling Techniques, 3rd edition, 1977, chapter 12), with Student's
    quantile: of the level's variance over all of the baseline's blocks, and of the ratio's over the further ones that
    the cell lacks. Where the cell has all of them it is Student's interval of its levels' logarithms.

    Parameters
    ----------
    baseline, cell : block -> timing. The baseline itself is given as both; without a baseline the first is empty.

    Returns
    -------
    CommonLevel : without ends where the cell has a single block; None where it has none.
    """
    if not cell:
        return None
    shared = sorted(set(baseline) & set(cell))
    if not shared:
        own = {block: one.level_ns for block, one in cell.items()}
        return CommonLevel(_interval(_logs(own), 0.0, 0.0, confidence), own, dict.fromkeys(own, 1.0))
    levels = pairs.levels(baseline, {block: cell[block] for block in shared})
    all_of_baseline = _logs({block: one.level_ns for block, one in baseline.items()})
    of_shared = _logs({block: baseline[block].level_ns for block in shared})
    shift = float(all_of_baseline.mean() - of_shared.mean())
    ratios = of_shared - _logs(levels)
    lacking = len(all_of_baseline) - len(shared)
    # (1/n - 1/N) of the ratio's variance, and 1/N instead of 1/n of the level's.
    extra = lacking / (len(shared) * len(all_of_baseline)) * (_variance(ratios) - _variance(_logs(levels)))
    by_block = {block: level * math.exp(shift) for block, level in levels.items()}
    factors = {block: by_block[block] / cell[block].level_ns for block in shared}
    return CommonLevel(_interval(_logs(levels), shift, extra, confidence), by_block, factors)


def _interval(logs: np.ndarray, shift: float, extra_variance: float, confidence: float) -> Interval:
    centre = float(logs.mean()) + shift
    if len(logs) < 2:
        return Interval(math.exp(centre))
    variance = max(_variance(logs) / len(logs) + extra_variance, 0.0)
    reach = float(stats.t.ppf((1 + confidence) / 2, len(logs) - 1)) * math.sqrt(variance)
    return Interval(math.exp(centre), math.exp(centre - reach), math.exp(centre + reach))


def _variance(values: np.ndarray) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0


def _logs(levels: Mapping[int, float]) -> np.ndarray:
    return np.log(list(levels.values()))
