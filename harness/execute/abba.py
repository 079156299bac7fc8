"""The order of a comparison: each cell's two sides in turns, A B B A A B B A, and the two runs that follow it.

A drift of the host that is linear in time cancels from every two pairs: in one the first side comes first, in the next
the other. Both sides of a pair are adjacent, so that nothing but one process start lies between them.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.execute.schedule import Slot, schedule
from harness.execute.session import Counts, Session
from harness.execute.view import View
from harness.plan.cell import Cell

#: The names of the two sides, in the order of a comparison's runs.
SIDES = ("A", "B")


@dataclass(frozen=True, slots=True)
class Turn:
    """One invocation of a comparison: side 0 or 1 of a cell, as one half of the pair `block`."""

    order: int
    block: int
    side: int
    cell: Cell


def turns(cells: Sequence[Cell], seed: int = 0) -> Iterator[Turn]:
    """Yield every invocation of a comparison, pair by pair.

    The pairs come as the blocks of :func:`harness.execute.schedule.schedule` do: all cells once, in random order, then
    all of them again. Within pairs 0, 3, 4, 7, ... nothing differs from 1, 2, 5, ... but which side comes first.
    """
    for slot in schedule(cells, seed):
        for place, side in enumerate((0, 1) if slot.block % 2 == 0 else (1, 0)):
            yield Turn(2 * slot.order + place, slot.block, side, slot.cell)


@dataclass(frozen=True)
class Half:
    """One side's session, its cells by key, and whether its run has come to its end already."""

    session: Session
    cells: Mapping[str, Cell]
    is_complete: bool


def run(halves: Sequence[Half], seed: int, view: View, after_pair: Callable[[int], None]) -> list[Counts]:
    """Prepare both sides, measure their common cells in turns, and return what each run now holds.

    A cell that failed on one side is not measured on the other any more. An interruption is written down in both runs
    and passed on.

    Parameters
    ----------
    halves : side A and side B.
    after_pair : called with the number of each pair that was measured, all cells of it.
    """
    start = time.monotonic()
    first, second = halves
    common = [cell for key, cell in first.cells.items() if key in second.cells]
    order = list(turns(common, seed))
    view.begin(f"{len(common)} cells, {len(order)} invocations in turns", sum(2 * len(half.cells) for half in halves))
    try:
        for half in halves:
            half.session.prepare()
        view.begin(f"both sides are prepared: {len(order)} invocations", len(order))
        for block, of_block in itertools.groupby(enumerate(order), key=lambda numbered: numbered[1].block):
            if [None for done, turn in of_block if _measured(halves, turn, done, view)]:
                after_pair(block)
    except KeyboardInterrupt:
        _end(halves, "interrupted", start)
        raise
    return _end(halves, "complete", start)


def _measured(halves: Sequence[Half], turn: Turn, done: int, view: View) -> bool:
    """Measure one turn unless it is measured already or one side's cell has failed; say whether it was."""
    view.step(done, f"pair {turn.block + 1} {SIDES[turn.side]} {turn.cell.key}")
    half, other = halves[turn.side], halves[1 - turn.side]
    slot = Slot(turn.order, turn.block, half.cells[turn.cell.key])
    if other.session.is_closed(other.cells[turn.cell.key]) or not half.session.is_open(slot):
        return False
    half.session.measure(slot)
    return True


def _end(halves: Sequence[Half], status: str, start: float) -> list[Counts]:
    seconds = time.monotonic() - start
    return [half.session.counts() if half.is_complete else half.session.end(status, seconds) for half in halves]
