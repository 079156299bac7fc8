"""Further blocks of a run whose protocol names a target and a budget: what harness.stats.budget wants, as slots."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.execute.schedule import Slot, block_count, one_group
from harness.plan.cell import Cell, baseline_of
from harness.plan.config import ProtocolConfig
from harness.plan.emulation import is_timed
from harness.stats import pairs
from harness.stats.budget import Group, History, Round, next_round
from harness.stats.disturbance import Invocation

if TYPE_CHECKING:
    from harness.execute.done import Done


@dataclass(frozen=True)
class Pool:
    """The comparison groups that share a protocol, and so its budget, with their cells by digest."""

    protocol: ProtocolConfig
    groups: tuple[Group, ...]
    cells: Mapping[str, Cell]


def pools(cells: Sequence[Cell], baseline: Mapping[str, str]) -> list[Pool]:
    """Return one pool for each protocol with a target. A group without the suite's `baseline` has no speed-up."""
    members: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.protocol.target_half_width is not None and is_timed(cell.host):
            members.setdefault(cell.group, []).append(cell)
    groups: dict[str, list[Group]] = {}
    for group in members.values():
        theirs = baseline_of(group, baseline)
        others = tuple(cell.digest for cell in group if cell != theirs)
        if theirs is not None and others:
            groups.setdefault(theirs.labels[-1], []).append(Group(theirs.digest, others, block_count(group, baseline)))
    by_digest = {cell.digest: cell for group in members.values() for cell in group}
    return [Pool(by_digest[found[0].baseline].protocol, tuple(found), by_digest) for found in groups.values()]


def next_slots(
    pool: Pool, done: Done, is_closed: Callable[[Cell], bool], seed: int, scheduled: int
) -> tuple[Round, list[Slot]] | None:
    """Return the next further block of a pool and its slots in random order, or None when there is none to come.

    Slots that were measured before an interruption are among them. `scheduled` is how many the schedule itself holds.
    """
    histories = {
        name: history(done, name, done.timings.get(group.baseline, {}), is_closed(pool.cells[name]))
        for group in pool.groups
        for name in (group.baseline, *group.cells)
    }
    protocol = pool.protocol
    found = next_round(
        pool.groups,
        histories,
        target=protocol.target_half_width,
        budget_seconds=protocol.budget_seconds,
        confidence=protocol.confidence,
    )
    if found is None:
        return None
    cells = [pool.cells[name] for name in found.cells]
    own = {name: group.blocks for group in pool.groups for name in (group.baseline, *group.cells)}
    earlier = sum(
        block >= own[name]
        for name, block in done.invoked
        if name in own and not (block == found.block and name in found.cells)
    )
    return found, one_group(cells, found.block, seed, scheduled + earlier)


def line(pool: Pool, more: Round) -> str:
    """Return one line on a further block that begins."""
    group = pool.cells[more.group.baseline].group
    width = known(more, pool.protocol.target_half_width)
    return f"further block {more.block + 1} of {group}: {len(more.cells)} cells; {width}"


def known(more: Round, target: float) -> str:
    """Return how well the ratio is known that a further block is for, and how well it is to be."""
    now = f"{100 * more.excess * target:.2g} %" if math.isfinite(more.excess) else "too few pairs"
    return f"half-width {now} of {100 * target:g} %"


def history(done: Done, digest: str, baseline: Mapping[int, Invocation], closed: bool) -> History:
    """Return what a run's records hold of a cell, its levels by its quotients to a baseline's timings."""
    return History(
        levels=pairs.levels(baseline, done.timings.get(digest, {})),
        tried={block for name, block in done.invoked if name == digest},
        seconds=done.seconds.get(digest, {}),
        closed=closed,
    )
