"""Two invocations of one block beside each other: their ratio, turn by turn where they were timed interleaved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from harness.stats.timings.disturbance import Invocation
from harness.stats.timings.estimate import Ratio, paired_ratio


def quotient(one: Invocation, other: Invocation) -> float:
    """Return the time of one invocation over that of the other.

    Where they were timed interleaved, the interquartile mean over their turns, of logarithms: a disturbance that lasts
    for some of them is the same for both, and one that hits a single turn does not count. Else that of the levels.
    """
    one_turns, other_turns = one.turns_ns, other.turns_ns
    if one_turns is None or other_turns is None or len(one_turns) != len(other_turns) or one.ring != other.ring:
        return one.level_ns / other.level_ns
    return math.exp(float(stats.trim_mean(np.log(one_turns) - np.log(other_turns), 0.25)))


def levels(one: Mapping[int, Invocation], other: Mapping[int, Invocation]) -> dict[int, float]:
    """Return block -> the level of `other`, in nanoseconds, that has the quotient to `one`'s; its own without one."""
    return {
        block: one[block].level_ns / quotient(one[block], found) if block in one else found.level_ns
        for block, found in other.items()
    }


def paired_levels(one: Sequence[Invocation], other: Sequence[Invocation]) -> tuple[list[float], list[float]]:
    """Return the levels of one side of some pairs, and for the other those that have the pairs' quotients to them."""
    found = levels(dict(enumerate(one)), dict(enumerate(other)))
    return [invocation.level_ns for invocation in one], list(found.values())


def speed_up(
    baseline: Mapping[int, Invocation], cell: Mapping[int, Invocation], confidence: float = 0.95
) -> Ratio | None:
    """Return the baseline's time over the cell's from the blocks that hold both; None when none does."""
    return paired_ratio(
        {block: invocation.level_ns for block, invocation in baseline.items()}, levels(baseline, cell), confidence
    )
