"""The order of measuring: randomised complete blocks, every precision of one model interleaved.

Method: randomised complete block design (R. A. Fisher, The Design of Experiments, 1935). The order of execution matters
more than the test that is applied afterwards, so it is drawn before anything is measured and depends on the seed alone:
an interrupted run goes on in the very order it began with.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.plan.cell import Cell


@dataclass(frozen=True, slots=True)
class Slot:
    """One place in the schedule: which cell is invoked in which block, as the how-manieth invocation of the run."""

    order: int
    block: int
    cell: Cell


def schedule(cells: Sequence[Cell], seed: int = 0) -> Iterator[Slot]:
    """Yield every invocation of a run, block by block.

    In each block the comparison groups come in random order, and in each group its cells; a cell takes part in as many
    blocks as its own protocol says.
    """
    order = 0
    for block in range(max((cell.protocol.blocks for cell in cells), default=0)):
        for cell in _shuffled(cells, block, seed):
            yield Slot(order, block, cell)
            order += 1


def one_group(cells: Sequence[Cell], block: int, seed: int, first: int) -> list[Slot]:
    """Return the slots of one further block of one comparison group, in random order, counted from `first`."""
    chosen = list(cells)
    random.Random(f"{seed}/{block}/{chosen[0].group}").shuffle(chosen)
    return [Slot(first + place, block, cell) for place, cell in enumerate(chosen)]


def _shuffled(cells: Sequence[Cell], block: int, seed: int) -> list[Cell]:
    generator = random.Random(f"{seed}/{block}")  # a string seed does not depend on PYTHONHASHSEED
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        if block < cell.protocol.blocks:
            groups.setdefault(cell.group, []).append(cell)
    names = list(groups)
    generator.shuffle(names)
    for name in names:
        generator.shuffle(groups[name])
    return [cell for name in names for cell in groups[name]]
