"""Which cells are measured once more: those whose speed-up is known least against the target, while there is time.

Method: a confidence interval of fixed width by sequential sampling (Y. S. Chow and H. Robbins, Annals of Mathematical
Statistics 36, 1965): sample until the interval is as narrow as was asked for. When to stop depends on the width alone
and never on where the interval lies, so nothing is stopped because it looks significant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.stats.timings.estimate import t_interval

#: The interval of fewer pairs says too little of its own width: two log-ratios that happen to be close look exact. Of
#: intervals at 95 % that were stopped by their width, 92 to 95 % held the truth from 5 pairs on, 87 to 90 % from 2 on
#: (4,000 simulations each, normal log-ratios, stops after 5 to 30 pairs).
LEAST_PAIRS = 5


@dataclass
class History:
    """What is known of a cell: its level in each block, each block that was tried, seconds spent; `closed` ends it."""

    levels: dict[int, float] = field(default_factory=dict)
    tried: set[int] = field(default_factory=set)
    seconds: dict[int, float] = field(default_factory=dict)
    closed: bool = False


@dataclass(frozen=True)
class Group:
    """A comparison group: its baseline and the cells compared with it, by name, and the protocol's `blocks`."""

    baseline: str
    cells: tuple[str, ...]
    blocks: int


@dataclass(frozen=True)
class Round:
    """One more block of one group: its number, and the cells that take part in it, the baseline among them.

    `excess` is the largest half-width in the group over the target; infinite where there is no interval.
    """

    group: Group
    block: int
    cells: tuple[str, ...]
    excess: float


def half_width(low: float, high: float) -> float:
    """Return the half-width of a ratio's interval as a share of the ratio, taken on its logarithm."""
    return math.sqrt(high / low) - 1


def excess(
    baseline_by_block: Mapping[int, float], level_by_block: Mapping[int, float], target: float, confidence: float
) -> float:
    """Return the half-width of the speed-up's interval over the `target`; infinite below :data:`LEAST_PAIRS`.

    The interval is that of :func:`harness.stats.timings.estimate.paired_ratio`; at most 1 says that the target is met.
    """
    blocks = sorted(set(baseline_by_block) & set(level_by_block))
    logs = np.log([baseline_by_block[block] / level_by_block[block] for block in blocks])
    ends = t_interval(logs, confidence)
    if ends is None or len(blocks) < LEAST_PAIRS:
        return math.inf
    return half_width(*map(math.exp, ends)) / target


def next_round(
    groups: Sequence[Group],
    histories: Mapping[str, History],
    *,
    target: float,
    budget_seconds: float,
    confidence: float = 0.95,
) -> Round | None:
    """Return the next block to measure, or None when every interval is narrow enough or the budget is used up.

    The answer depends on the arguments alone, so a run that was killed goes on as it would have. A block that was
    begun is finished first, with the cells that it was begun with. Otherwise it is the group's that holds the widest
    interval; with the baseline go only those of its cells that lack the target.

    Parameters
    ----------
    groups : all that share this budget.
    histories : name of a cell -> what is known of it; levels in one unit.
    target : the half-width of an interval of the speed-up, as a share of the speed-up.
    budget_seconds : that the blocks beyond the protocol's own may take; the last of them may go beyond it.
    """
    for group in groups:
        begun = _unfinished(group, histories, target, confidence)
        if begun is not None:
            return begun
    names = {(name, group.blocks) for group in groups for name in (group.baseline, *group.cells)}
    spent = sum(taken for name, blocks in names for block, taken in histories[name].seconds.items() if block >= blocks)
    if spent >= budget_seconds:
        return None
    open_rounds = [
        found
        for group in groups
        if (found := _round(group, histories, _last(group, histories) + 1, target, confidence)) is not None
    ]
    return max(open_rounds, key=lambda found: found.excess, default=None)


def _last(group: Group, histories: Mapping[str, History]) -> int:
    """Return the last block that any of the group's cells was tried in, at least the last of the protocol's own."""
    tried = (block for name in (group.baseline, *group.cells) for block in histories[name].tried)
    return max(group.blocks - 1, max(tried, default=-1))


def _unfinished(group: Group, histories: Mapping[str, History], target: float, confidence: float) -> Round | None:
    """Return the group's last block when it is beyond the protocol's own and some of its cells are still to go."""
    block = _last(group, histories)
    begun = _round(group, histories, block, target, confidence) if block >= group.blocks else None
    if begun is None or all(block in histories[name].tried for name in begun.cells):
        return None
    return begun


def _round(
    group: Group, histories: Mapping[str, History], block: int, target: float, confidence: float
) -> Round | None:
    """Return block number `block` of a group as the blocks before it ask for it; None when they ask for none."""

    def before(name: str) -> dict[int, float]:
        return {number: level for number, level in histories[name].levels.items() if number < block}

    if histories[group.baseline].closed:
        return None
    theirs = before(group.baseline)
    measurable = [name for name in group.cells if not histories[name].closed]
    wide = {name: excess(theirs, before(name), target, confidence) for name in measurable}
    wide = {name: value for name, value in wide.items() if value > 1}
    return Round(group, block, (group.baseline, *wide), max(wide.values())) if wide else None
