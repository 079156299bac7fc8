"""Speed-ups of a run's blocks: turn by turn where both were timed interleaved with each other, and only there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from harness.stats.timings.disturbance import Invocation
from harness.stats.timings.estimate import paired_ratio
from harness.stats.timings.pairs import levels, paired_levels, quotient, speed_up

BLOCKS, TURNS, TRUTH = 6, 12, 2.0


def blocks(generator: np.random.Generator) -> tuple[dict[int, Invocation], dict[int, Invocation]]:
    """Return a baseline and a cell of half its time on a host that slows down by up to 2 for some of the turns."""
    sides: tuple[dict[int, Invocation], ...] = ({}, {})
    for block in range(BLOCKS):
        slow = np.where(np.arange(TURNS) < generator.integers(TURNS), generator.uniform(1, 2), 1.0)
        for side, (found, level) in enumerate(zip(sides, (20e6, 20e6 / TRUTH), strict=True)):
            turns = level * slow * np.exp(generator.normal(0, 0.01, TURNS))
            turns[generator.integers(TURNS)] *= 5 if side else 1
            found[block] = Invocation(float(np.median(turns)), turns_ns=tuple(turns.tolist()), ring=(2 * block, 9))
    return sides


def test_what_disturbs_some_turns_of_both_cancels_from_the_speed_up():
    baseline, cell = blocks(np.random.default_rng(1))
    found = speed_up(baseline, cell)
    assert found.low < TRUTH < found.high
    assert found.high / found.low < 1.02
    alone = paired_ratio(*({block: one.level_ns for block, one in side.items()} for side in (baseline, cell)))
    assert alone.high / alone.low > 1.05


@pytest.mark.parametrize("change", [{"ring": (1, 2)}, {"ring": None}, {"turns_ns": None}, {"turns_ns": (1.0, 2.0)}])
def test_turns_that_were_not_taken_with_each_other_do_not_count(change):
    baseline, cell = blocks(np.random.default_rng(2))
    apart = {block: dataclasses.replace(one, **change) for block, one in cell.items()}
    assert speed_up(baseline, apart) == paired_ratio(
        *({block: one.level_ns for block, one in side.items()} for side in (baseline, apart))
    )


def test_levels_have_the_quotients_and_a_block_without_the_other_its_own():
    baseline, cell = blocks(np.random.default_rng(3))
    del baseline[2]
    found = levels(baseline, cell)
    assert found[2] == cell[2].level_ns
    assert all(baseline[block].level_ns / found[block] == pytest.approx(quotient(baseline[block], cell[block]))
               for block in baseline)  # fmt: skip
    one, other = paired_levels([baseline[0]], [cell[0]])
    assert one == [baseline[0].level_ns] and other == [pytest.approx(found[0])]
