"""What invocation records hold of their timing, as the statistics take it."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from harness.results import cells
from harness.stats.timings.disturbance import Invocation

Entry = Mapping[str, Any]


def turn_medians(series: Entry) -> tuple[float, ...] | None:
    """Return the median of each turn of a series, in nanoseconds; None where its process was timed alone."""
    if "turns" not in series:
        return None
    ends = list(itertools.accumulate(series["turns"], initial=0))
    return tuple(float(statistics.median(series["latency_ns"][a:b])) for a, b in itertools.pairwise(ends))


def timing(invocation: Entry, role: str) -> Invocation | None:
    """Return the timing of an `invocation` record; None where it has no such series.

    Its turns count beside those of the same ring only. Where a record tells none, what they were taken with is unknown.
    """
    series = cells.series(invocation, role)
    if series is None:
        return None
    ring = invocation.get("ring")
    turns = None if ring is None else turn_medians(series)
    return Invocation(float(statistics.median(series["latency_ns"])), turns_ns=turns, ring=ring and tuple(ring))


def cpu_ns(invocation: Entry) -> int:
    """Return the CPU time that the process of an `invocation` record used while it was timed interleaved or alone."""
    before, after = (invocation["system"][when].get("process_cpu_ns") or 0 for when in ("before", "after"))
    return after - before


def by_block(invocations: Iterable[Entry], role: str) -> dict[int, Invocation]:
    """Return block -> timing, of one cell's `invocation` records that have such a series."""
    found = {line["block"]: timing(line, role) for line in invocations}
    return {block: one for block, one in found.items() if one is not None}
