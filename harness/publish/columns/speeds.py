"""The columns of a table that say how fast a cell is: latency, its tails, throughput and the speed-up.

There is one level for all of them: that of the baseline over all its blocks
(:mod:`harness.stats.timings.common_level`). So the ratio of two printed p50s, or of two rates, is the ratio that was
measured side by side, and never the difference between the minutes in which two cells happened to be timed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from harness.publish.common.recorded import Planned, Recorded
from harness.results import cells, timings
from harness.stats.timings import estimate, pairs, tails
from harness.stats.timings.common_level import CommonLevel, common_level

Record = Mapping[str, Any]

#: The percentiles that a table shows beside the median: the end of a column's name to the share.
TAILS = {"p90": 0.9, "p99": 0.99}


def columns(run: Recorded, cell: Planned, baseline: Planned | None, notes: list[str]) -> dict[str, Any]:
    """Return latency, throughput, memory and, beside a baseline, the speed-up paired within blocks.

    What a reader must know of this row alone goes to `notes`.
    """
    invocations = run.invocations[cell.digest]
    if not invocations:
        return {"blocks": 0}
    confidence = cell.configs["protocol"]["confidence"]
    row: dict[str, Any] = {"blocks": len(invocations)}
    row["peak_memory_mb"] = max(one["peak_memory_bytes"] for one in invocations.values()) / 1e6
    latency, throughput = (series_by_block(invocations, role) for role in ("latency", "throughput"))
    if latency:
        first = next(iter(latency.values()))
        row |= {"latency_batch": first["batch_size"], "sequence_length": first["sequence_length"]}
        row["iterations"] = min(len(one["latency_ns"]) for one in latency.values())
        level = level_of(run, cell, baseline, "latency")
        assert level is not None, "it has a series, so it has a level"
        row |= estimate.with_ends("p50_ms", level.level, 1e-6)
        row |= _tails(latency, level, confidence)
        if baseline is not None and run.invocations[baseline.digest].keys().isdisjoint(level.by_block):
            notes.append("timed in no block beside the baseline: its p50 and rows/s are not at the others' level")
    if throughput:
        row["throughput_batch"] = next(iter(throughput.values()))["batch_size"]
        level = level_of(run, cell, baseline, "throughput")
        assert level is not None, "it has a series, so it has a level"
        row |= estimate.with_ends("throughput_per_s", estimate.inverse(level.level, 1e9 * row["throughput_batch"]))
    if baseline is None or not latency:
        return row
    if baseline.digest == cell.digest:
        return row | {"speedup": 1.0}
    ratio = pairs.speed_up(_timings(run, baseline, "latency"), _timings(run, cell, "latency"), confidence)
    if ratio is not None:
        row |= estimate.with_ends("speedup", estimate.Interval(ratio.estimate, ratio.low, ratio.high))
        row["speedup_pairs"] = ratio.pairs
    return row


def level_of(run: Recorded, cell: Planned, baseline: Planned | None, role: str) -> CommonLevel | None:
    """Return the level of one of a cell's series, in nanoseconds a pass; None where it was not timed."""
    theirs = {} if baseline is None else _timings(run, baseline, role)
    return common_level(theirs, _timings(run, cell, role), cell.configs["protocol"]["confidence"])


def series_by_block(invocations: Mapping[int, Record], role: str) -> dict[int, Record]:
    """Return block -> the series of that role, for the blocks that have one."""
    found = {block: cells.series(invocations[block], role) for block in sorted(invocations)}
    return {block: series for block, series in found.items() if series is not None}


def legend(frame: pd.DataFrame) -> Iterator[str]:
    """Yield what a reader must know of these columns."""
    if frame["speedup"].notna().any():
        yield (
            "Speed-up, p50 and rows/s are one measurement: in each block the cell's passes are compared with the "
            "baseline's, turn by turn where they were timed interleaved; the speed-up is the geometric mean of these "
            "ratios over blocks. p50 is the baseline's p50 over all its blocks divided by the speed-up, so the ratio "
            "of two p50s is that of their speed-ups; rows/s likewise, from its own passes."
        )
    if frame["p50_ms"].notna().any():
        fewest = frame["iterations"].min()
        confidence = frame["confidence"].dropna().max()
        needs = {name: tails.fewest_samples(share, confidence) for name, share in TAILS.items()}
        wanted = " and ".join(f"{name} from {count} samples an invocation on" for name, count in needs.items())
        yield (
            f"Tails: {wanted}, the fewest with an interval at {100 * confidence:g} % whatever the distribution; else "
            f"the cell is empty. The fewest here are {fewest:.0f}; protocol.min_iterations asks for more."
        )


def _tails(latency: Mapping[int, Record], level: CommonLevel, confidence: float) -> dict[str, Any]:
    """Return the tails over blocks, at the level of the p50; none where some block has too few samples for one."""
    row: dict[str, Any] = {}
    for name, share in TAILS.items():
        found = {block: tails.percentile(latency[block]["latency_ns"], share, confidence) for block in level.factors}
        at_level = [value * level.factors[block] for block, value in found.items() if value is not None]
        if len(at_level) == len(found):
            row |= estimate.with_ends(f"{name}_ms", estimate.over_invocations(at_level, confidence), 1e-6)
    return row


def _timings(run: Recorded, cell: Planned, role: str) -> dict[int, Any]:
    return timings.by_block(run.invocations[cell.digest].values(), role)
