"""Which row of a comparison group is the fastest that may be used, and which are not distinguishable from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import pandas as pd

from harness.publish.common.recorded import Planned, Recorded, baseline_of
from harness.results import timings
from harness.stats.timings import estimate
from harness.stats.timings.fastest import fastest

#: What the column says of the row that is named, and of those that may be as fast.
FASTEST, CLOSE = "fastest", "close"

#: As :data:`harness.publish.table.rows.COLUMNS`; the numbers stand in the row that is named.
COLUMNS: dict[str, str] = {
    "ranking": "string",
    **{f"ranking_speedup{end}": "Float64" for end in ("", "_low", "_high")},
}


def mark(run: Recorded, cells: Sequence[Planned], rows: Sequence[MutableMapping[str, Any]]) -> None:
    """Fill in :data:`COLUMNS` of the rows of some cells, one a cell: of each group's cells that may be used.

    These are its baseline, and the cells whose status is ok and whose criterion is met.
    """
    groups: dict[tuple[str, ...], list[tuple[Planned, MutableMapping[str, Any]]]] = defaultdict(list)
    for cell, row in zip(cells, rows, strict=True):
        groups[cell.group].append((cell, row))
    for members in groups.values():
        baseline = baseline_of(run.header, members[0][0], cells)
        usable = {cell.digest: row for cell, row in members if baseline is not None and _is_usable(row)}
        if baseline is None or baseline.digest not in usable:
            continue
        levels = {
            cell.digest: timings.by_block(run.invocations[cell.digest].values(), "latency") for cell, _ in members
        }
        found = fastest(baseline.digest, levels, usable, baseline.configs["protocol"]["confidence"])
        if found is None:
            continue
        usable[found.name].update({"ranking": FASTEST, **estimate.with_ends("ranking_speedup", found.speed_up)})
        for digest in found.close:
            usable[digest]["ranking"] = CLOSE


def _is_usable(row: Mapping[str, Any]) -> bool:
    is_baseline = row["baseline"] == row["cell_key"]
    return row.get("speedup") is not None and (is_baseline or (row["status"] == "ok" and row.get("criterion") == "met"))


def legend(frame: pd.DataFrame) -> Iterator[str]:
    """Yield what a reader must know of the sentence on the fastest."""
    if (frame["ranking"].eq(FASTEST) & frame["baseline"].ne(frame["cell_key"])).any():
        yield (
            "Fastest: the best of several is partly the luckiest, so its figure in that sentence is drawn towards "
            "those that it is not distinguishable from, and its interval holds although it was chosen. Differences "
            "are taken within blocks, and allow for all candidates at once (studentized range)."
        )
