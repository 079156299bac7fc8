"""The order of measuring: randomised blocks, every precision of one model interleaved.

Method: randomised complete block design (R. A. Fisher, The Design of Experiments, 1935), and where a block cannot hold
all of a model's cells at the same time, incomplete blocks that have the control in common (S. C. Pearce, Biometrika
47, 1960). The order of execution matters more than the test that is applied afterwards, so it is drawn before anything
is measured and depends on the seed alone: an interrupted run goes on in the very order it began with.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.config.cell import Cell, baseline_of
from harness.config.emulation import is_timed


@dataclass(frozen=True, slots=True)
class Slot:
    """One place in the schedule: which cell is invoked in which block, as the how-manieth invocation of the run.

    `repetition` counts a cell's own invocations; it is the block where that holds all cells of a comparison group.
    `replaces` is True in a further block that is measured in the place of a disturbed one.
    """

    order: int
    block: int
    cell: Cell
    repetition: int
    replaces: bool = False


def interleaved_groups(cells: Sequence[Cell], baseline: Mapping[str, str], seed: int = 0) -> list[list[Slot]]:
    """Return every invocation of a run, block by block: for each comparison group those that are timed interleaved.

    In each block the comparison groups come in random order, and in each group its cells. A cell takes part in as many
    blocks as its own protocol says, the baseline of a group in each of the group's, with some of the others where they
    are more than the protocol's `in_turns`. A cell on an emulated CPU takes part in none.
    """
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        if is_timed(cell.host):
            groups.setdefault(cell.group, []).append(cell)
    drawn = {name: _blocks(group, baseline, seed) for name, group in groups.items()}
    found, order = [], 0
    for block in range(max(map(len, drawn.values()), default=0)):
        names = [name for name, blocks in drawn.items() if block < len(blocks)]
        random.Random(f"{seed}/{block}").shuffle(names)  # a string seed does not depend on PYTHONHASHSEED
        for name in names:
            repetition, members = drawn[name][block]
            found.append([Slot(order + place, block, cell, repetition) for place, cell in enumerate(members)])
            order += len(members)
    return found


def schedule(cells: Sequence[Cell], seed: int = 0) -> Iterator[Slot]:
    """Yield every invocation of a run whose blocks hold all cells of a group, one after the other."""
    for group in interleaved_groups(cells, {}, seed):
        yield from group


def one_group(cells: Sequence[Cell], block: int, seed: int, first: int) -> list[Slot]:
    """Return the slots of one further block of one comparison group, in random order, counted from `first`."""
    chosen = list(cells)
    random.Random(f"{seed}/{block}/{chosen[0].group}").shuffle(chosen)
    return [Slot(first + place, block, cell, block) for place, cell in enumerate(chosen)]


def block_count(group: Sequence[Cell], baseline: Mapping[str, str]) -> int:
    """Return how many blocks a comparison group is measured in."""
    return len(_blocks(group, baseline, 0))


def _blocks(group: Sequence[Cell], baseline: Mapping[str, str], seed: int) -> list[tuple[int, list[Cell]]]:
    """Return for each block of a comparison group the repetition that it belongs to, and its cells in random order."""
    control = baseline_of(group, baseline)
    others = [cell for cell in group if cell is not control]
    protocol = group[0].protocol  # a group has one
    # What is not timed interleaved, or has no control, makes one block of all.
    room = max(protocol.in_turns - 1, 1) if control is not None and protocol.in_turns > 1 else len(group)
    parts = -(-len(others) // room) or 1
    found = []
    for repetition in range(protocol.blocks):
        drawn = random.Random(f"{seed}/{repetition}/{group[0].group}")
        drawn.shuffle(others)
        for part in range(parts):
            members = [*others[part::parts], *([] if control is None else [control])]
            drawn.shuffle(members)
            found.append((repetition, members))
    return found
