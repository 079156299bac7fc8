"""A run measures further blocks in the place of disturbed ones, no more than its protocol allows, and ends."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from harness.config.cell import Cell
from harness.config.schema import ApproachConfig, ProtocolConfig
from harness.execute.run import further
from harness.execute.run.progress import Progress
from harness.execute.run.schedule import interleaved_groups
from tests.execute.process.stand_ins import cell
from tests.publish.sample_run import readings

BASELINE = {"approach": "a0"}


def cells(each: int, **protocol) -> list[Cell]:
    return [
        dataclasses.replace(
            cell(),
            key=f"a{number}",
            digest=f"{number:016x}",
            approach=ApproachConfig(name=f"a{number}"),
            protocol=ProtocolConfig(name="p", **protocol),
            labels=("m", "t", f"a{number}", "b", "none", "native", "p"),
        )
        for number in range(each)
    ]


class Run:
    """A run whose host is busy while `is_busy` (of how many invocations there were) says so; `fails` never go well."""

    def __init__(self, members: list[Cell], is_busy, fails: frozenset[str] = frozenset()):
        self.cells, self.is_busy, self.fails, self.done = members, is_busy, fails, Progress()
        self.lines: list[dict] = []
        self.scheduled = [slot for group in interleaved_groups(members, BASELINE) for slot in group]
        for slot in self.scheduled:
            self.measure(slot)

    def is_closed(self, one: Cell) -> bool:
        return self.done.failed_invocations[one.digest] >= 2

    def measure(self, slot, group=None):
        if self.is_closed(slot.cell):
            return
        where = {"cell_digest": slot.cell.digest, "block": slot.block}
        if slot.cell.key in self.fails:
            line = {"type": "failure", **where}
        else:
            level = 1_000_000 * (2 + int(slot.cell.digest, 16))
            series = {"role": "latency", "batch_size": 1, "latency_ns": [level], "steady": True}
            share = 0.5 if self.is_busy(len(self.lines)) else 0.0
            line = {"type": "invocation", **where, "order": slot.order, "cores": [0, 1], "series": [series],
                    "control": {"gemm_ns": [5]}, "system": readings(share), "wall_seconds": 1.0}  # fmt: skip
            line |= {"replacement": True} if slot.replaces else {}
        self.lines.append(line)
        self.done.add(line)

    def further(self, most: int = 1000):
        found = []
        for _, slots in further.blocks(self.cells, BASELINE, self.done, self.is_closed, self.scheduled, 0):
            found.append(slots)
            assert len(found) <= most, "it does not end"
            for slot in slots:
                if (slot.cell.digest, slot.block) not in self.done.invoked:
                    self.measure(slot)
        return found

    def good_blocks(self) -> Counter[str]:
        bad = further.disturbed(self.cells, self.done)
        control = self.cells[0].digest
        return Counter(one for one, block in self.done.watched if not {(one, block), (control, block)} & bad)


def test_a_quiet_run_has_no_further_block():
    assert Run(cells(4, blocks=3, in_turns=1), lambda count: False).further() == []


def test_what_a_passing_disturbance_has_spoilt_is_measured_again_and_every_cell_has_its_blocks():
    run = Run(cells(4, blocks=4, in_turns=5), lambda count: 4 <= count < 8)
    blocks = run.further()
    assert [sorted(slot.cell.key for slot in slots) for slots in blocks] == [["a0", "a1", "a2", "a3"]]
    assert all(slot.replaces and slot.block == 4 for slot in blocks[0])
    assert set(run.good_blocks().values()) == {4}
    assert [slot.order for slot in blocks[0]] == list(range(16, 20))


@pytest.mark.parametrize("allowed", [0, 1, 3])
def test_a_host_that_stays_busy_ends_the_run_after_as_many_blocks_as_the_protocol_allows(allowed):
    run = Run(cells(4, blocks=3, in_turns=5, replacement_blocks=allowed), lambda count: True)
    blocks = run.further()
    assert len(blocks) == allowed
    assert {one: len(found) for one, found in run.done.replacements.items()} == (
        {one.digest: allowed for one in run.cells} if allowed else {}
    )


@settings(max_examples=60, deadline=None)
@given(
    each=some.integers(1, 7),
    blocks=some.integers(1, 4),
    in_turns=some.integers(1, 5),
    allowed=some.integers(0, 3),
    busy=some.sets(some.integers(0, 120)),
    fails=some.frozensets(some.sampled_from(["a0", "a1"])),
)
def test_it_always_ends_within_its_bound_and_only_disturbed_cells_are_measured_again(
    each, blocks, in_turns, allowed, busy, fails
):
    members = cells(each, blocks=blocks, in_turns=in_turns, replacement_blocks=allowed)
    run = Run(members, lambda count: count in busy, fails)
    before = run.good_blocks()
    taken = defaultdict(int)
    for slots in run.further():
        keys = [slot.cell.key for slot in slots]
        assert len(set(keys)) == len(keys)
        assert in_turns == 1 or len(keys) <= max(in_turns, 2) or "a0" in fails
        for slot in slots:
            taken[slot.cell.key] += 1
    for one in members:
        if (one.key == "a0" and each > 1) or one.key in fails:
            continue
        assert taken[one.key] <= allowed
        if before[one.digest] >= blocks:
            assert taken[one.key] == 0


def test_a_budget_is_spent_behind_the_replacements_and_never_on_their_blocks():
    protocol = {"blocks": 5, "in_turns": 5, "target_half_width": 0.01, "budget_seconds": 5.0}
    run = Run(cells(3, **protocol), lambda count: 3 <= count < 6)
    blocks = run.further()
    replaced = [slots for slots in blocks if slots[0].replaces]
    assert [slots[0].block for slots in replaced] == [5]
    # Without any spread nothing is left to be known; with the disturbed block among them it would be.
    assert blocks == replaced


def test_orders_are_those_of_the_run_also_after_a_kill():
    run = Run(cells(3, blocks=3, in_turns=5, replacement_blocks=2), lambda count: True)
    (line, slots) = next(further.blocks(run.cells, BASELINE, run.done, run.is_closed, run.scheduled, 0))
    assert "in the place of disturbed ones" in line
    run.measure(slots[0])  # the kill
    rest = [slot.order for found in run.further() for slot in found]
    assert min(rest) == len(run.scheduled) + 1 and len(set(rest)) == len(rest)
