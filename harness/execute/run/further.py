"""The blocks of a run beyond its schedule: first those in the place of disturbed ones, then those that a budget buys.

Whether a block is replaced depends on the host's state alone and never on what the block has shown, so nothing is
chosen by its outcome.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from harness.config.cell import Cell, baseline_of
from harness.config.emulation import is_timed
from harness.execute.run import budget
from harness.execute.run.progress import Progress
from harness.execute.run.schedule import Slot, one_group
from harness.results.disturbances import Place, disturbed_places


def blocks(
    cells: Sequence[Cell],
    baseline: Mapping[str, str],
    done: Progress,
    is_closed: Callable[[Cell], bool],
    scheduled: Sequence[Slot],
    seed: int,
) -> Iterator[tuple[str, list[Slot]]]:
    """Yield a line on each further block and its slots; each is asked for when the one before has been measured.

    Parameters
    ----------
    baseline : the suite's (axis -> label); without one no protocol's budget is spent.
    done : what the run's records hold, kept up to date by the caller.
    scheduled : all slots of the schedule itself.
    """
    order = Order(scheduled, done)
    while found := _replacement(cells, baseline, done, is_closed, seed, order):
        yield found
    for pool in budget.pools(cells, baseline):
        while more := budget.next_slots(pool, done, is_closed, seed, order.next, disturbed(cells, done)):
            yield budget.line(pool, more[0]), more[1]


class Order:
    """Counts the invocations of a run: those of the schedule, then the further ones as they come."""

    def __init__(self, scheduled: Sequence[Slot], done: Progress):
        self._scheduled = {(slot.cell.digest, slot.block) for slot in scheduled}
        self._done = done

    def next(self, besides: Collection[Place] = ()) -> int:
        """Return the place in the run of its next further invocation; those `besides` are not counted."""
        return len(self._scheduled) + len(self._done.invoked - self._scheduled - set(besides))


def disturbed(cells: Sequence[Cell], done: Progress) -> set[Place]:
    """Return the invocations of a run that were measured while the host was slow or busy with something else."""
    like = {cell.digest: (cell.backend.environment, cell.host) for cell in cells}
    return disturbed_places(done.watched.values(), like)


def _replacement(
    cells: Sequence[Cell],
    baseline: Mapping[str, str],
    done: Progress,
    is_closed: Callable[[Cell], bool],
    seed: int,
    order: Order,
) -> tuple[str, list[Slot]] | None:
    """Return the next block in the place of disturbed ones; None when none is wanting, or none is allowed any more.

    It holds those cells of a comparison group that lack most of their blocks, beside the baseline.
    """
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        if is_timed(cell.host):
            groups.setdefault(cell.group, []).append(cell)
    bad = disturbed(cells, done) if done.watched else set()
    for name, group in groups.items():
        control = baseline_of(group, baseline)
        if control is not None and is_closed(control):
            control = None
        others = [cell for cell in group if cell is not control and not is_closed(cell)]
        beside = [] if control is None or not others else [control]
        want = {cell: _wanting(cell, control, done, bad) for cell in others or group if not is_closed(cell)}
        missing = sorted((cell for cell, count in want.items() if count), key=lambda cell: (-want[cell], cell.digest))
        if not missing:
            continue
        in_turns = group[0].protocol.in_turns  # a group has one protocol
        room = max(in_turns - 1, 1) if beside and in_turns > 1 else len(missing)
        members = [*missing[:room], *beside]
        digests = {cell.digest for cell in group}
        block = 1 + max(block for digest, block in done.invoked if digest in digests)
        slots = one_group(members, block, seed, order.next())
        line = f"further block {block + 1} of {name}: {len(members)} cells, in the place of disturbed ones"
        return line, [dataclasses.replace(slot, replaces=True) for slot in slots]
    return None


def _wanting(cell: Cell, control: Cell | None, done: Progress, bad: Collection[Place]) -> int:
    """Return how many blocks of a cell are to be replaced: it, or its baseline there, was disturbed."""
    measured = {block for digest, block in done.watched if digest == cell.digest}
    beside = {cell.digest} if control is None else {cell.digest, control.digest}
    lost = {block for block in measured if any((digest, block) in bad for digest in beside)}
    allowed = cell.protocol.replacement_blocks - len(done.replacements.get(cell.digest, ()))
    return max(min(cell.protocol.blocks - len(measured - lost), len(lost), allowed), 0)
