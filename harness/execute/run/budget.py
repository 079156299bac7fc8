"""Further blocks of a run whose protocol names a target and a budget.

Which they are :mod:`harness.stats.decisions.budget` says; here they become slots.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.config.cell import Cell, baseline_of
from harness.config.emulation import is_timed
from harness.config.schema import ProtocolConfig
from harness.execute.run.schedule import Slot, block_count, one_group
from harness.results.disturbances import Place
from harness.stats.decisions.budget import Group, History, Round, next_round
from harness.stats.timings import pairs
from harness.stats.timings.disturbance import Invocation

if TYPE_CHECKING:
    from harness.execute.run.progress import Progress


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
    pool: Pool,
    done: Progress,
    is_closed: Callable[[Cell], bool],
    seed: int,
    first: Callable[[set[Place]], int],
    disturbed: Collection[Place] = (),
) -> tuple[Round, list[Slot]] | None:
    """Return the next further block of a pool and its slots in random order, or None when there is none to come.

    Slots that were measured before an interruption are among them.

    Parameters
    ----------
    first : gives the place in the run of the block's first slot, with those that the block itself holds not counted.
    disturbed : invocations that say nothing of a speed-up.
    """
    groups = [_behind_replacements(group, done) for group in pool.groups]
    histories = {
        name: history(done, name, done.timings.get(group.baseline, {}), is_closed(pool.cells[name]), disturbed)
        for group in groups
        for name in (group.baseline, *group.cells)
    }
    protocol = pool.protocol
    found = next_round(
        groups,
        histories,
        target=limits(protocol)[0],
        budget_seconds=limits(protocol)[1],
        confidence=protocol.confidence,
    )
    if found is None:
        return None
    cells = [pool.cells[name] for name in found.cells]
    own = {(cell.digest, found.block) for cell in cells}
    return found, one_group(cells, found.block, seed, first(own))


def _behind_replacements(group: Group, done: Progress) -> Group:
    """Return a group with the blocks counted in that were measured in the place of disturbed ones: none is bought."""
    replaced = (block for name in (group.baseline, *group.cells) for block in done.replacements.get(name, ()))
    return dataclasses.replace(group, blocks=max(group.blocks, *(block + 1 for block in replaced), 0))


def line(pool: Pool, more: Round) -> str:
    """Return one line on a further block that begins."""
    group = pool.cells[more.group.baseline].group
    width = known(more, limits(pool.protocol)[0])
    return f"further block {more.block + 1} of {group}: {len(more.cells)} cells; {width}"


def limits(protocol: ProtocolConfig) -> tuple[float, float]:
    """Return the half-width that a protocol wants and the seconds it may take; planning refuses one without the other.

    Only of a protocol with a target.
    """
    assert protocol.target_half_width is not None and protocol.budget_seconds is not None
    return protocol.target_half_width, protocol.budget_seconds


def known(more: Round, target: float) -> str:
    """Return how well the ratio is known that a further block is for, and how well it is to be."""
    now = f"{100 * more.excess * target:.2g} %" if math.isfinite(more.excess) else "too few pairs"
    return f"half-width {now} of {100 * target:g} %"


def history(
    done: Progress,
    digest: str,
    baseline: Mapping[int, Invocation],
    closed: bool,
    disturbed: Collection[Place] = (),
) -> History:
    """Return what a run's records hold of a cell, its levels by its quotients to a baseline's timings."""
    levels = pairs.levels(baseline, done.timings.get(digest, {}))
    return History(
        levels={block: level for block, level in levels.items() if (digest, block) not in disturbed},
        tried={block for name, block in done.invoked if name == digest},
        seconds=done.seconds.get(digest, {}),
        closed=closed,
    )
