"""More blocks go where a speed-up is known least, and they end: on simulated cells whose noise is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.decisions.budget import LEAST_PAIRS, Group, History, excess, half_width, next_round
from harness.stats.timings.estimate import paired_ratio

SECONDS = 3.0


class Simulation:
    """Cells of known level and noise. `failing` maps a cell to a block from which on its invocations fail."""

    def __init__(self, groups, noise, seed=0, failing=None):
        self.groups, self.noise, self.failing = groups, noise, failing or {}
        self.generator = np.random.default_rng(seed)
        self.histories = {name: History() for group in groups for name in (group.baseline, *group.cells)}
        for group in groups:
            for block in range(group.blocks):
                for name in (group.baseline, *group.cells):
                    self.invoke(name, block)

    def invoke(self, name, block):
        history = self.histories[name]
        assert block not in history.tried, "measured twice"
        history.tried.add(block)
        if block >= self.failing.get(name, math.inf):
            failures = sum(number not in history.levels for number in history.tried)
            history.closed = failures >= 2
            return
        history.levels[block] = 10 * math.exp(self.generator.normal(0, self.noise[name]))
        history.seconds[block] = SECONDS

    def next(self, target, budget_seconds):
        return next_round(self.groups, self.histories, target=target, budget_seconds=budget_seconds)

    def run(self, target, budget_seconds):
        """Measure all further blocks and return them."""
        rounds = []
        while (found := self.next(target, budget_seconds)) is not None:
            rounds.append(found)
            assert len(rounds) < 10_000, "it does not end"
            for name in found.cells:
                self.invoke(name, found.block)
        return rounds

    def extra(self, name):
        """Return how many further invocations a cell had."""
        blocks = next(group.blocks for group in self.groups if name in (group.baseline, *group.cells))
        return sum(block >= blocks for block in self.histories[name].tried)

    def is_met(self, name, target):
        """Say whether a cell's published interval is as narrow as the target."""
        group = next(group for group in self.groups if name in group.cells)
        ratio = paired_ratio(self.histories[group.baseline].levels, self.histories[name].levels)
        return ratio.pairs >= LEAST_PAIRS and half_width(ratio.low, ratio.high) <= target


def one_group(*cells, blocks=LEAST_PAIRS):
    return [Group("baseline", cells, blocks)]


def test_the_half_width_is_that_of_the_published_interval():
    theirs, mine = {0: 2.0, 1: 2.2, 2: 1.9, 3: 2.1, 4: 2.0, 7: 9.0}, {0: 1.0, 1: 1.0, 2: 1.1, 3: 1.0, 4: 0.9, 6: 5.0}
    ratio = paired_ratio(theirs, mine, 0.9)
    # Symmetric on the logarithm: a share of the ratio that both ends are away from it.
    assert half_width(ratio.low, ratio.high) == pytest.approx(ratio.high / ratio.estimate - 1)
    assert excess(theirs, mine, 0.02, 0.9) == pytest.approx(half_width(ratio.low, ratio.high) / 0.02)


def test_few_pairs_never_meet_a_target_however_close_they_lie():
    same = dict.fromkeys(range(LEAST_PAIRS - 1), 1.0)
    assert excess(same, same, 0.5, 0.95) == math.inf
    assert excess({**same, 9: 1.0}, {**same, 9: 1.0}, 0.5, 0.95) == 0


def test_a_noisy_cell_gets_more_blocks_than_a_quiet_one_and_the_baseline_goes_with_each():
    there = Simulation(one_group("noisy", "quiet"), {"baseline": 0.002, "noisy": 0.05, "quiet": 0.002})
    rounds = there.run(0.02, 100_000)
    assert there.is_met("noisy", 0.02)
    assert there.is_met("quiet", 0.02)
    assert there.extra("quiet") == 0 < there.extra("noisy")
    assert all(found.cells == ("baseline", "noisy") for found in rounds)
    assert [found.block for found in rounds] == list(range(LEAST_PAIRS, LEAST_PAIRS + len(rounds)))


def test_the_group_with_the_widest_interval_goes_first():
    groups = [Group("a", ("a1",), LEAST_PAIRS), Group("b", ("b1",), LEAST_PAIRS)]
    there = Simulation(groups, {"a": 0.01, "a1": 0.01, "b": 0.1, "b1": 0.1})
    widths = {group: excess(*(there.histories[name].levels for name in (group.baseline, *group.cells)), 0.001, 0.95)
              for group in groups}  # fmt: skip
    assert there.next(0.001, 1000).group == max(widths, key=widths.get) == groups[1]


def test_nothing_is_measured_where_all_is_known():
    there = Simulation(one_group("quiet"), {"baseline": 1e-4, "quiet": 1e-4})
    assert there.run(0.02, 100_000) == []


@settings(max_examples=50)
@given(
    noise=st.lists(st.floats(1e-4, 0.3), min_size=1, max_size=4),
    blocks=st.integers(1, 6),
    target=st.floats(0.005, 0.2),
    budget_rounds=st.floats(0.1, 12),
    seed=st.integers(0, 1000),
    failing=st.dictionaries(st.sampled_from(["baseline", "c0", "c1"]), st.integers(0, 8), max_size=2),
)
def test_it_ends_within_a_round_of_the_budget_with_every_open_cell_met_or_the_budget_used_up(
    noise, blocks, target, budget_rounds, seed, failing
):
    cells = tuple(f"c{number}" for number in range(len(noise)))
    levels = {"baseline": 0.01, **dict(zip(cells, noise, strict=True))}
    there = Simulation([Group("baseline", cells, blocks)], levels, seed, failing)
    a_round = SECONDS * (len(cells) + 1)
    budget_seconds = budget_rounds * a_round
    rounds = there.run(target, budget_seconds)
    spent = sum(
        seconds for history in there.histories.values() for block, seconds in history.seconds.items() if block >= blocks
    )
    assert spent < budget_seconds + a_round
    for found in rounds:
        assert found.cells[0] == "baseline"
        assert len(found.cells) > 1
    if spent < budget_seconds and not there.histories["baseline"].closed:
        assert all(there.histories[name].closed or there.is_met(name, target) for name in cells)


@pytest.mark.slow
@settings(max_examples=60)
@given(seed=st.integers(0, 1000), cut=st.integers(1, 60))
def test_a_run_that_is_killed_in_a_round_goes_on_as_it_would_have(seed, cut):
    noise = {"a": 0.02, "a1": 0.08, "a2": 0.01, "b": 0.02, "b1": 0.05}
    groups = [Group("a", ("a1", "a2"), 3), Group("b", ("b1",), 3)]
    whole = [
        (found.group.baseline, found.block, found.cells) for found in Simulation(groups, noise, seed).run(0.04, 300)
    ]
    there, again, left = Simulation(groups, noise, seed), [], cut
    while (found := there.next(0.04, 300)) is not None:
        again.append((found.group.baseline, found.block, found.cells))
        names = [name for name in found.cells if found.block not in there.histories[name].tried]
        for name in names[: left if 0 < left < len(names) else None]:  # the kill; asked again, the round goes on
            there.invoke(name, found.block)
        left -= len(names)
    assert list(dict.fromkeys(again)) == whole


def test_a_block_that_was_begun_keeps_its_cells_though_one_of_them_has_met_the_target_in_it():
    there = Simulation(one_group("near", "far"), {"baseline": 1e-6, "near": 0.02, "far": 0.2})
    baseline, near = (there.histories[name] for name in ("baseline", "near"))
    target = 0.95 * excess(baseline.levels, near.levels, 1.0, 0.95)
    begun = there.next(target, 1000)
    assert begun.cells == ("baseline", "near", "far")
    there.invoke("baseline", begun.block)
    near.tried.add(begun.block)
    near.levels[begun.block] = math.exp(np.mean([math.log(level) for level in near.levels.values()]))
    assert excess(baseline.levels, near.levels, target, 0.95) < 1
    assert there.next(target, 1000) == begun
    there.invoke("far", begun.block)
    assert there.next(target, 1000).cells == ("baseline", "far")
