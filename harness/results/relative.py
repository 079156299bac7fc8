"""The time of a cell over that of its baseline, paired in the blocks of one run: what a drift of the host leaves alone.

A slower host slows both; what is left is the cell's. The baseline itself is held against the cells that are compared
with it. In each block it has as many quotients as there are others; over the level that each of them has in all runs,
their median does not move when one cell does.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence

from harness.results import timings
from harness.results.cells import Entry
from harness.stats.timings import pairs
from harness.stats.timings.disturbance import Invocation

#: Of fewer others the median moves with one of them.
FEWEST_OTHERS = 3

Records = Mapping[str, Sequence[Entry]]


def shares(entry: Entry, baselines: Mapping[str, Entry | None], records: Records, role: str) -> tuple[float, ...]:
    """Return the time of a pass over the baseline's, one value a block that holds both; empty of a baseline itself.

    Parameters
    ----------
    baselines : digest of each of the run's cells -> its baseline (:func:`harness.results.cells.baseline`).
    records : digest of a cell -> its records.
    role : latency or throughput, whose batches have as many rows on both sides.
    """
    baseline = baselines[entry["digest"]]
    return () if baseline is None else tuple(_quotients(records, entry, baseline, role).values())


def others(
    header: Entry, entry: Entry, baselines: Mapping[str, Entry | None], records: Records, role: str
) -> dict[str, dict[int, float]]:
    """Return key of each cell that is compared with a baseline -> block -> the baseline's time over that cell's.

    Parameters are those of :func:`shares`; empty where the cell is no baseline.
    """
    compared = [one for one in header["cells"] if _is(baselines[one["digest"]], entry)]
    found = {one["key"]: _quotients(records, entry, one, role) for one in compared}
    return {key: quotients for key, quotients in found.items() if quotients}


def levelled(runs: Sequence[Mapping[str, Mapping[int, float]]]) -> list[tuple[float, ...]]:
    """Return for each run what :func:`others` gave it as one value a block; empty of a run with too few others."""
    levels: dict[str, list[float]] = defaultdict(list)
    for quotients in runs:
        for key, by_block in quotients.items():
            levels[key].append(statistics.median(by_block.values()))
    level = {key: statistics.median(values) for key, values in levels.items()}
    found = []
    for quotients in runs:
        blocks: dict[int, list[float]] = defaultdict(list)
        for key, by_block in quotients.items():
            for block, quotient in by_block.items():
                blocks[block].append(quotient / level[key])
        enough = [values for _, values in sorted(blocks.items()) if len(values) >= FEWEST_OTHERS]
        found.append(tuple(map(statistics.median, enough)))
    return found


def invocations(records: Records, entry: Entry) -> list[Entry]:
    """Return the `invocation` records of a cell."""
    return [line for line in records.get(entry["digest"], ()) if line["type"] == "invocation"]


def _by_block(records: Records, entry: Entry, role: str) -> dict[int, Invocation]:
    return timings.by_block(invocations(records, entry), role)


def _quotients(records: Records, one: Entry, other: Entry, role: str) -> dict[int, float]:
    mine, theirs = _by_block(records, one, role), _by_block(records, other, role)
    return {block: pairs.quotient(mine[block], theirs[block]) for block in sorted(mine) if block in theirs}


def _is(one: Entry | None, other: Entry) -> bool:
    return one is not None and one["digest"] == other["digest"]
