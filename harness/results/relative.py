"""The time of a cell over that of its baseline, paired in the blocks of one run: what a drift of the host leaves alone.

A slower host slows both; what is left is the cell's. The baseline itself is held against the cells that are compared
with it: in each block it has as many quotients as there are others, and their median does not move when one cell does.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from harness.results import timings
from harness.results.cells import Entry
from harness.stats import pairs
from harness.stats.disturbance import Invocation

#: Of fewer others the median moves with one of them.
FEWEST_OTHERS = 3

Records = Mapping[str, Sequence[Entry]]


def shares(
    header: Entry, entry: Entry, baselines: Mapping[str, Entry | None], records: Records, role: str
) -> tuple[float, ...]:
    """Return the time of a pass over the baseline's, one value a block that holds both; empty without a baseline.

    Parameters
    ----------
    baselines : digest of each of the run's cells -> its baseline (:func:`harness.results.cells.baseline`).
    records : digest of a cell -> its records.
    role : latency or throughput, whose batches have as many rows on both sides.
    """
    own = _by_block(records, entry, role)
    baseline = baselines[entry["digest"]]
    if baseline is not None:
        theirs = _by_block(records, baseline, role)
        return tuple(pairs.quotient(own[block], theirs[block]) for block in sorted(own) if block in theirs)
    compared = [one for one in header["cells"] if _is(baselines[one["digest"]], entry)]
    others = [found for one in compared if (found := _by_block(records, one, role))]
    if len(others) < FEWEST_OTHERS:
        return ()
    blocks = [block for block in sorted(own) if all(block in one for one in others)]
    return tuple(statistics.median(pairs.quotient(own[block], one[block]) for one in others) for block in blocks)


def invocations(records: Records, entry: Entry) -> list[Entry]:
    """Return the `invocation` records of a cell."""
    return [line for line in records.get(entry["digest"], ()) if line["type"] == "invocation"]


def _by_block(records: Records, entry: Entry, role: str) -> dict[int, Invocation]:
    return timings.by_block(invocations(records, entry), role)


def _is(one: Entry | None, other: Entry) -> bool:
    return one is not None and one["digest"] == other["digest"]
