"""What a run's table says of blocks in which the host was slow or busy with something else.

They are left out of a row's figures; where they are most of its blocks, the row is `disturbed` and is not ranked.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

import pandas as pd

from harness.publish.common.numbers import is_known, share
from harness.publish.common.recorded import Planned, Recorded
from harness.results.disturbances import scenario_share
from harness.stats.timings.disturbance import BUSY_SHARE, SLOW_CONTROL, is_majority

#: As :data:`harness.publish.table.rows.COLUMNS`: blocks that were measured and disturbed, and the median share of a
#: cell's cores' time that went to others over all blocks that were measured.
COLUMNS: dict[str, str] = {"blocks_disturbed": "Int64", "foreign_share": "Float64"}


def left_out(run: Recorded, cell: Planned, baseline: Planned | None) -> set[int]:
    """Return the blocks in which a cell, or its baseline beside it, was measured on a disturbed host."""
    beside = {cell.digest} if baseline is None else {cell.digest, baseline.digest}
    disturbed = run.host.disturbed
    return {block for block in run.invocations[cell.digest] if any((one, block) in disturbed for one in beside)}


def counted(run: Recorded) -> Recorded:
    """Return the records with only those invocations of each cell that its figures are made of.

    All of a cell's where most are disturbed: then nothing tells which of its figures is right, and its row says so. A
    cell's blocks are left out for its own sake alone, so that all cells are held against one and the same baseline.
    """
    kept = {}
    for cell, invocations in run.invocations.items():
        quiet = {block: line for block, line in invocations.items() if (cell, block) not in run.host.disturbed}
        out = len(invocations) - len(quiet)
        kept[cell] = invocations if is_majority(out, len(invocations)) else quiet
    return dataclasses.replace(run, invocations=defaultdict(dict, kept))


def columns(run: Recorded, cell: Planned, baseline: Planned | None) -> dict[str, Any]:
    """Return what a row has of :data:`COLUMNS`; nothing where nothing was measured."""
    blocks = run.invocations[cell.digest]
    if not blocks:
        return {}
    shares = [run.host.foreign_shares.get((cell.digest, block)) for block in blocks]
    known = [one for one in shares if one is not None]
    return {
        "blocks_disturbed": len(left_out(run, cell, baseline)),
        "foreign_share": median(known) if known else None,
    }


def scenarios(run: Recorded, cell: Planned) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Return the `scenario` records of a cell that its figures are made of, and notes on those measured on a busy host.

    Each scenario's disturbed blocks are left out, unless they are most of its blocks: then a note says so.
    """
    kept: list[Mapping[str, Any]] = []
    notes = []
    for name in dict.fromkeys(one["scenario"] for one in run.scenarios[cell.digest]):
        every = [one for one in run.scenarios[cell.digest] if one["scenario"] == name]
        quiet = [one for one in every if (scenario_share(one) or 0.0) <= BUSY_SHARE]
        busy = len(every) - len(quiet)
        if is_majority(busy, len(every)):
            notes.append(f"{name}: the host was busy with something else in {busy} of {len(every)} blocks")
        kept += every if is_majority(busy, len(every)) else quiet
    return kept, notes


def beside(row: Mapping[str, Any]) -> str:
    """Return what stands behind a row's number of blocks: how many more were left out, if any."""
    count = row.get("blocks_disturbed")
    if row["status"] == "disturbed" or not (is_known(count) and count):
        return ""
    return f", {count:.0f} out"


def took(row: Mapping[str, Any]) -> list[str]:
    """Return what others took of the cores of a row that is disturbed, to stand among its notes."""
    taken = row.get("foreign_share")
    return [f"in the median others took {share(taken)} % of its cores' time"] if is_known(taken) else []


def legend(frame: pd.DataFrame) -> Iterator[str]:
    """Yield what a reader must know of these words."""
    if "blocks_disturbed" in frame and (frame["blocks_disturbed"] > 0).any():
        yield (
            "out: blocks that do not count, because while the cell or its baseline was measured others took more than "
            f"{100 * BUSY_SHARE:.0f} % of the cores' time, or the control took more than {SLOW_CONTROL:g} times its "
            "median. disturbed: most blocks were such; its figures hold for that busy host only."
        )
