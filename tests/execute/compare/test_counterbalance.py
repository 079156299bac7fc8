"""The order of a comparison: strict turns for each cell, in which a linear drift cancels, whole and reproducible."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as some

from harness.config.cell import Cell
from harness.config.schema import ProtocolConfig
from harness.execute.compare.counterbalance import turns
from tests.execute.process.stand_ins import cell


def cells(count: int, pairs: int) -> list[Cell]:
    return [
        dataclasses.replace(
            cell(),
            key=f"cell {number}",
            digest=f"{number:016x}",
            protocol=ProtocolConfig(name="p", blocks=pairs),
            labels=("m", f"t{number % 2}", f"a{number}", "b", "none", "native", "p"),
        )
        for number in range(count)
    ]


@given(count=some.integers(1, 6), pairs=some.integers(1, 9), seed=some.integers(0, 10))
def test_each_cell_is_measured_a_b_b_a(count, pairs, seed):
    order = list(turns(cells(count, pairs), seed))
    assert [turn.order for turn in order] == list(range(2 * count * pairs))
    by_cell = defaultdict(list)
    for turn in order:
        by_cell[turn.cell.key].append(turn)
    assert len(by_cell) == count
    for of_cell in by_cell.values():
        assert [turn.variant for turn in of_cell] == ([0, 1, 1, 0] * pairs)[: 2 * pairs]
        assert [turn.block for turn in of_cell] == sorted(list(range(pairs)) * 2)
        # Nothing lies between the halves of a pair.
        assert all(second.order == first.order + 1 for first, second in zip(of_cell[::2], of_cell[1::2], strict=True))
    # A block is complete before the next begins.
    assert [turn.block for turn in order] == sorted(turn.block for turn in order)
    assert order == list(turns(cells(count, pairs), seed))


@given(count=some.integers(1, 5), half=some.integers(1, 5), slope=some.floats(-0.05, 0.05))
def test_a_linear_drift_of_log_time_cancels_from_even_pairs(count, half, slope):
    logs = defaultdict(lambda: ([], []))
    for turn in turns(cells(count, 2 * half)):
        logs[turn.cell.key][turn.variant].append(slope * turn.order)
    for one, other in logs.values():
        ratio = math.exp((sum(one) - sum(other)) / len(one))
        assert ratio == pytest.approx(1.0, abs=1e-9)


def test_the_order_of_the_cells_is_random_in_each_block():
    orders = {
        tuple(turn.cell.key for turn in turns(cells(5, 12)) if turn.block == block and turn.variant == 0)
        for block in range(12)
    }
    assert len(orders) > 6
