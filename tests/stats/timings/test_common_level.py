"""Levels of groups that were timed in different minutes: held against the known truth of simulated hosts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.stats.timings.common_level import common_level
from harness.stats.timings.disturbance import Invocation
from harness.stats.timings.estimate import over_invocations
from harness.stats.timings.pairs import speed_up

BASELINE, CELL = 20e6, 10e6


def rings(
    generator: np.random.Generator, blocks: int, of_cell: int, drift: float
) -> tuple[dict[int, Invocation], dict[int, Invocation]]:
    """Return the baseline in all blocks and a cell in some of them, on a host whose speed differs between blocks."""
    host = np.exp(generator.normal(0, drift, blocks))
    own = np.exp(generator.normal(0, 0.01, (2, blocks)))
    baseline = {block: Invocation(BASELINE * host[block] * own[0, block]) for block in range(blocks)}
    chosen = generator.choice(blocks, of_cell, replace=False).tolist()
    return baseline, {block: Invocation(CELL * host[block] * own[1, block]) for block in chosen}


@pytest.mark.parametrize("of_cell", [1, 3, 8])
def test_the_ratio_of_the_levels_is_the_speed_up(of_cell):
    baseline, cell = rings(np.random.default_rng(1), 8, of_cell, 0.2)
    theirs, ours = common_level(baseline, baseline), common_level(baseline, cell)
    assert theirs.level.estimate / ours.level.estimate == pytest.approx(speed_up(baseline, cell).estimate, rel=1e-12)
    assert stats.gmean(list(ours.by_block.values())) == pytest.approx(ours.level.estimate)
    assert all(
        cell[block].level_ns * factor == pytest.approx(ours.by_block[block]) for block, factor in ours.factors.items()
    )


def test_with_all_blocks_of_the_baseline_it_is_students_interval_of_its_own_levels():
    baseline, cell = rings(np.random.default_rng(2), 6, 6, 0.05)
    own = over_invocations([one.level_ns for one in cell.values()])
    found = common_level(baseline, cell).level
    assert (found.estimate, found.low, found.high) == pytest.approx((own.estimate, own.low, own.high))


@pytest.mark.parametrize(("blocks", "of_cell"), [(28, 4), (8, 4), (10, 10)])
def test_the_interval_holds_the_level_as_often_as_it_says_where_the_host_drifts(blocks, of_cell):
    generator = np.random.default_rng(blocks)
    found = [common_level(*rings(generator, blocks, of_cell, 0.1)).level for _ in range(1500)]
    inside = sum(one.low <= CELL <= one.high for one in found)
    assert stats.binomtest(inside, 1500, 0.95, alternative="less").pvalue > 0.01
    if of_cell < blocks:  # and is narrower than what the cell's own blocks tell of it
        generator = np.random.default_rng(blocks)
        alone = [over_invocations([one.level_ns for one in rings(generator, blocks, of_cell, 0.1)[1].values()])
                 for _ in range(300)]  # fmt: skip
        widths = [np.median([np.log(one.high / one.low) for one in each]) for each in (found, alone)]
        assert widths[0] < 0.8 * widths[1]


def test_without_a_block_in_common_the_level_is_its_own():
    found = common_level({7: Invocation(1.0)}, {0: Invocation(4.0), 1: Invocation(9.0)})
    assert found.level.estimate == pytest.approx(6) and dict(found.by_block) == {0: 4.0, 1: 9.0}
    assert common_level({}, {}) is None and common_level({}, {0: Invocation(4.0)}).level.low is None
