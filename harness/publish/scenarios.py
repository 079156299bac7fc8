"""The columns of a table that scenarios give, in runs that have measured any."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import pandas as pd

from harness.publish.numbers import NOTHING, decimals, is_known, number
from harness.stats import estimate

Record = Mapping[str, Any]

#: The percentiles of a single stream that a table shows.
_SHARES = (50, 90, 95, 99)

#: As :data:`harness.publish.rows.COLUMNS`; only a run with scenarios has them.
COLUMNS: dict[str, str] = {
    **{f"single_stream_p{share}_ms": "Float64" for share in _SHARES},
    **{f"single_stream_p{share}_bound_ms": "Float64" for share in _SHARES},
    **dict.fromkeys(("server_per_s", "server_per_s_low", "server_per_s_high"), "Float64"),
    "server_valid": "boolean",
    **dict.fromkeys(("server_percentile", "server_limit_ms"), "Float64"),
    **dict.fromkeys(("offline_per_s", "offline_per_s_low", "offline_per_s_high"), "Float64"),
    **dict.fromkeys(("offline_instances", "offline_cores_per_instance", "scenario_blocks"), "Int64"),
}


def columns(records: Sequence[Record], confidence: float) -> dict[str, Any]:
    """Return what a cell's `scenario` records give of :data:`COLUMNS`; medians over the processes, one a block."""
    by_name: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda one: one["block"]):
        by_name[record["scenario"]].append(record)
    row: dict[str, Any] = {"scenario_blocks": max(map(len, by_name.values()), default=None)}
    row |= _single_stream([record for record in by_name["single_stream"] if record["valid"]])
    row |= _server(by_name["server"], confidence)
    return row | _offline(by_name["offline"], confidence)


def _single_stream(records: Sequence[Record]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for share in _SHARES if records else ():
        found = [one for record in records for one in record["percentiles"] if round(one["percentile"] * 100) == share]
        bounds = [one["bound_ns"] for one in found]
        row[f"single_stream_p{share}_ms"] = median(one["latency_ns"] for one in found) / 1e6
        # A bound that one of the processes has none of is none for all.
        row[f"single_stream_p{share}_bound_ms"] = None if None in bounds else max(bounds) / 1e6
    return row


def _server(records: Sequence[Record], confidence: float) -> dict[str, Any]:
    if not records:
        return {}
    row: dict[str, Any] = {"server_valid": all(record["valid"] for record in records)}
    row |= {"server_percentile": records[0]["percentile"], "server_limit_ms": records[0]["limit_ns"] / 1e6}
    if row["server_valid"]:
        row |= _with_ends("server_per_s", [record["per_second"] for record in records], confidence)
    return row


def layout_rates(records: Iterable[Record]) -> dict[tuple[int, int], list[float]]:
    """Return (instances, cores of each) -> the rows a second of each block that measured that layout."""
    rates: dict[tuple[int, int], list[float]] = defaultdict(list)
    for layout in (layout for record in records for layout in record["layouts"]):
        if layout["per_second"] > 0:
            rates[layout["instances"], layout["cores_per_instance"]].append(layout["per_second"])
    return rates


def _offline(records: Sequence[Record], confidence: float) -> dict[str, Any]:
    """Return the layout that is best in the median, for the best of each block would be partly the best luck."""
    rates = layout_rates(records)
    if not rates:
        return {}
    most = max(map(len, rates.values()))
    # A layout that the sweep did not reach in every block is known less than the others.
    reached = {layout: values for layout, values in rates.items() if len(values) == most}
    instances, cores = best = max(reached, key=lambda layout: median(reached[layout]))
    row = {"offline_instances": instances, "offline_cores_per_instance": cores}
    return row | _with_ends("offline_per_s", rates[best], confidence)


def _with_ends(name: str, values: Sequence[float], confidence: float) -> dict[str, Any]:
    interval = estimate.over_invocations(values, confidence)
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}


def texts(group: pd.DataFrame) -> dict[str, tuple[str, Any]]:
    """Return the columns that a person reads, name -> (title, function of a row); none where nothing was measured."""
    found: dict[str, tuple[str, Any]] = {}
    if _measured(group, "single_stream_p50_ms"):
        found["single_stream"] = ("stream ms", _stream_text)
    if _measured(group, "server_valid"):
        first = group.dropna(subset=["server_valid"]).iloc[0]
        share, limit = 100 * first["server_percentile"], first["server_limit_ms"]
        found["server"] = (f"q/s p{share:g}<={limit:g}ms", _server_text)
    if _measured(group, "offline_per_s"):
        found["offline"] = ("offline rows/s", _offline_text)
    return found


def legend(frame: pd.DataFrame) -> Iterator[str]:
    """Yield what a reader must know of these columns."""
    if _measured(frame, "single_stream_p50_ms"):
        yield "stream: p50/p90/p99 of LoadGen SingleStream, one query after the other; medians over processes."
    if _measured(frame, "server_valid"):
        yield (
            "q/s: LoadGen Server, queries as a Poisson process, answered one at a time; the highest rate tried at "
            "which the percentile kept the limit, early stopping (99 %) included; none: no rate tried did."
        )
    if _measured(frame, "offline_per_s"):
        yield (
            "offline: processes at the same time on cores of their own, in the layout (processes x cores of each) that "
            "was best."
        )


def _measured(frame: pd.DataFrame, column: str) -> bool:
    return column in frame and bool(frame[column].notna().any())


def _stream_text(row: Mapping[str, Any]) -> str:
    values = [row[f"single_stream_p{share}_ms"] for share in (50, 90, 99)]
    if not is_known(values[0]):
        return NOTHING
    places = decimals(values[0])
    return "/".join(number(value, places) for value in values)


def _server_text(row: Mapping[str, Any]) -> str:
    if not is_known(row["server_valid"]):
        return NOTHING
    ends = [row[name] for name in ("server_per_s", "server_per_s_low", "server_per_s_high")]
    return number(ends[0], decimals(*ends)) if row["server_valid"] else "none"


def _offline_text(row: Mapping[str, Any]) -> str:
    ends = [row[name] for name in ("offline_per_s", "offline_per_s_low", "offline_per_s_high")]
    if not is_known(ends[0]):
        return NOTHING
    shape = f"{row['offline_instances']:.0f}x{row['offline_cores_per_instance']:.0f}"
    return f"{number(ends[0], decimals(*ends))} ({shape})"
