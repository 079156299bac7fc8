"""The order of a run: each cell as often as its protocol says, beside its baseline, no more than may be interleaved."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as some

from harness.config.cell import Cell
from harness.config.schema import ApproachConfig, ProtocolConfig
from harness.execute.run.schedule import block_count, interleaved_groups
from tests.execute.process.stand_ins import cell

BASELINE = {"approach": "a0"}


def cells(groups: int, each: int, blocks: int, in_turns: int) -> list[Cell]:
    return [
        dataclasses.replace(
            cell(),
            key=f"t{group}/a{number}",
            digest=f"{group * 100 + number:016x}",
            approach=ApproachConfig(name=f"a{number}"),
            protocol=ProtocolConfig(name="p", blocks=blocks, in_turns=in_turns),
            labels=("m", f"t{group}", f"a{number}", "b", "none", "native", "p"),
        )
        for group in range(groups)
        for number in range(each)
    ]


@given(
    groups=some.integers(1, 3),
    each=some.integers(1, 12),
    blocks=some.integers(1, 4),
    in_turns=some.integers(1, 6),
    seed=some.integers(0, 5),
)
def test_each_cell_has_its_blocks_and_its_baseline_in_each_of_them(groups, each, blocks, in_turns, seed):
    given_cells = cells(groups, each, blocks, in_turns)
    drawn = interleaved_groups(given_cells, BASELINE, seed)
    slots = [slot for group in drawn for slot in group]
    assert [slot.order for slot in slots] == list(range(len(slots)))
    assert [group[0].block for group in drawn] == sorted(group[0].block for group in drawn)
    counts = Counter(slot.cell.key for slot in slots)
    for group in drawn:
        assert len({(slot.block, slot.cell.group) for slot in group}) == 1
        assert len({slot.cell.key for slot in group}) == len(group)
        assert "a0" in {slot.cell.labels[2] for slot in group}
        if in_turns > 1:
            assert len(group) <= in_turns
        else:
            assert len(group) == each
    for one in given_cells:
        group = [other for other in given_cells if other.group == one.group]
        is_baseline = one.labels[2] == "a0"
        assert counts[one.key] == (block_count(group, BASELINE) if is_baseline else blocks)
        repetitions = Counter(slot.repetition for slot in slots if slot.cell.key == one.key)
        assert set(repetitions) == set(range(blocks))
    places = Counter((slot.block, slot.cell.group) for slot in slots for _ in [0] if slot.cell.labels[2] == "a0")
    assert set(places.values()) == {1}
    assert drawn == interleaved_groups(given_cells, BASELINE, seed)


def test_without_a_baseline_a_block_holds_all_cells_of_a_group():
    drawn = interleaved_groups(cells(2, 7, 3, 4), {})
    assert Counter(len(group) for group in drawn) == {7: 6}


@pytest.mark.parametrize("in_turns", [1, 4])
def test_who_is_beside_whom_and_in_which_order_is_drawn_anew(in_turns):
    partners, orders = defaultdict(set), set()
    for group in interleaved_groups(cells(1, 7, 12, in_turns), BASELINE):
        keys = [slot.cell.key for slot in group]
        orders.add(tuple(keys))
        for key in keys:
            partners[key].update(keys)
    assert len(orders) >= 12
    assert all(len(found) == 7 for found in partners.values())
