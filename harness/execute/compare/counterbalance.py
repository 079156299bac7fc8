"""The order of a comparison: each cell's two variants in pairs, A B B A A B B A, and the two runs that follow it.

The order is counterbalanced. Both processes of a pair are there at the same time and are timed interleaved, so that
what disturbs the host for a while disturbs both (:mod:`harness.execute.process.interleaved`). A drift that is linear in
time cancels from every two pairs besides: in one the first variant comes first, in the next the other. Where a protocol
names a target and a budget, further pairs go to the cell whose ratio is known least, as a run's further blocks do
(:mod:`harness.stats.decisions.budget`).
"""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.config.cell import Cell
from harness.execute.run import budget
from harness.execute.run.interleaved import interleaved_outcomes
from harness.execute.run.invocations import Invocations
from harness.execute.run.schedule import Slot, schedule
from harness.execute.run.session import Counts, Session
from harness.execute.run.view import View
from harness.stats.decisions.budget import Group, History, next_round

#: Of a series, more than a run takes: a comparison looks for changes of a percent.
TURNS_SECONDS, LEAST_TURNS = 2.5, 8

#: The names of the two variants, in the order of a comparison's runs.
VARIANTS = ("A", "B")


@dataclass(frozen=True, slots=True)
class Turn:
    """One invocation of a comparison: variant 0 or 1 of a cell, as one half of the pair `block`."""

    order: int
    block: int
    variant: int
    cell: Cell


def turns(cells: Sequence[Cell], seed: int = 0) -> Iterator[Turn]:
    """Yield every invocation of a comparison, pair by pair.

    The pairs come as the blocks of :func:`harness.execute.run.schedule.schedule` do: all cells once, in random order,
    then all of them again. Within pairs 0, 3, 4, 7, ... nothing differs from 1, 2, 5, ... but which variant
    comes first.
    """
    for slot in schedule(cells, seed):
        yield from _pair(2 * slot.order, slot.block, slot.cell)


def _pair(order: int, block: int, cell: Cell) -> list[Turn]:
    first = block % 2
    return [Turn(order, block, first, cell), Turn(order + 1, block, 1 - first, cell)]


@dataclass(frozen=True)
class Half:
    """One variant's session, its cells by key, and whether its run has come to its end already."""

    session: Session
    cells: Mapping[str, Cell]
    is_complete: bool


def run(halves: Sequence[Half], seed: int, view: View, after_pair: Callable[[int], None]) -> list[Counts]:
    """Prepare both variants, measure their common cells interleaved, and return what each run now holds.

    A cell that failed in one variant is not measured in the other any more. An interruption is written down in both
    runs and passed on.

    Parameters
    ----------
    halves : variant A and variant B.
    after_pair : called with the number of each pair that was measured, all cells of it.
    """
    start = time.monotonic()
    first, second = halves
    common = [cell for key, cell in first.cells.items() if key in second.cells]
    order = list(turns(common, seed))
    view.begin(
        f"{len(common)} cells, {len(order)} invocations interleaved", sum(2 * len(half.cells) for half in halves)
    )
    try:
        for half in halves:
            half.session.prepare()
        view.begin(f"both variants are prepared: {len(order)} invocations", len(order))
        for block, of_block in itertools.groupby(enumerate(order), key=lambda numbered: numbered[1].block):
            # The two turns of a pair follow each other.
            if [None for pair in zip(of_block, of_block, strict=True) if _measured(halves, pair, view)]:
                after_pair(block)
        for done, pair in enumerate(_further(halves, common, len(order), view)):
            _measured(halves, [(len(order) + 2 * done, turn) for turn in pair], view)
            after_pair(pair[0].block)
    except KeyboardInterrupt:
        _end(halves, "interrupted", start)
        raise
    return _end(halves, "complete", start)


def _further(halves: Sequence[Half], cells: Sequence[Cell], scheduled: int, view: View) -> Iterator[list[Turn]]:
    """Yield the pairs beyond those that were scheduled, each when the one before is measured."""
    budgets: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        if cell.protocol.target_half_width is not None:
            budgets[cell.labels[-1]].append(cell)
    order = scheduled
    for sharing in budgets.values():
        protocol = sharing[0].protocol
        target, seconds = budget.limits(protocol)
        groups = [Group(f"A {cell.key}", (f"B {cell.key}",), protocol.blocks) for cell in sharing]
        by_group = {group.baseline: cell for group, cell in zip(groups, sharing, strict=True)}
        while found := next_round(
            groups,
            {name: history for cell in sharing for name, history in _histories(halves, cell).items()},
            target=target,
            budget_seconds=seconds,
            confidence=protocol.confidence,
        ):
            cell = by_group[found.group.baseline]
            view.note(f"  further pair of {cell.key}: {budget.known(found, target)}")
            yield _pair(order, found.block, cell)
            order += 2


def _histories(halves: Sequence[Half], cell: Cell) -> dict[str, History]:
    """Return what both variants' runs hold of a cell, levels by the pairs' quotients to the first one's."""
    own = [half.cells[cell.key].digest for half in halves]
    first = halves[0].session.done.timings.get(own[0], {})
    closed = any(half.session.invocations.is_closed(half.cells[cell.key]) for half in halves)
    return {
        f"{name} {cell.key}": budget.history(half.session.done, digest, first, closed)
        for name, half, digest in zip(VARIANTS, halves, own, strict=True)
    }


def _measured(halves: Sequence[Half], pair: Sequence[tuple[int, Turn]], view: View) -> bool:
    """Measure what is left of a pair, both variants together; say whether that was anything.

    A cell that has failed in one variant is not measured in the other any more.
    """
    done, first = pair[0]
    view.step(done, f"pair {first.block + 1} {first.cell.key}")
    if any(half.session.invocations.is_closed(half.cells[first.cell.key]) for half in halves):
        return False
    slots = []
    for _, turn in pair:
        half = halves[turn.variant]
        slots.append((half.session.invocations, Slot(turn.order, turn.block, half.cells[turn.cell.key], turn.block)))
    left = [(invocations, slot) for invocations, slot in slots if invocations.is_open(slot)]
    if len(left) == 2 and all(one.can_interleave and one.is_prepared(slot.cell) for one, slot in left):
        _measure_interleaved(left)
    else:
        # What an interruption has left of a pair, or code from before there were turns.
        for invocations, slot in left:
            invocations.measure(slot)
    return bool(left)


def _measure_interleaved(variants: Sequence[tuple[Invocations, Slot]]) -> None:
    ring = [slot.order for _, slot in variants]
    for place, outcome in sorted(interleaved_outcomes(variants, seconds=TURNS_SECONDS, least=LEAST_TURNS).items()):
        invocations, slot = variants[place]
        invocations.take(slot, outcome, ring)


def _end(halves: Sequence[Half], status: str, start: float) -> list[Counts]:
    seconds = time.monotonic() - start
    return [half.session.counts() if half.is_complete else half.session.end(status, seconds) for half in halves]
