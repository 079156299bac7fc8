"""The columns of a table that scenarios give, in runs that have measured any."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from harness.publish.common.numbers import NOTHING, decimals, ends, is_known, number
from harness.stats.timings import estimate, queueing

Record = Mapping[str, Any]

#: The percentiles of a single stream that a table shows.
_SHARES = (50, 90, 95, 99)

#: As :data:`harness.publish.table.rows.COLUMNS`; only a run with scenarios has them.
COLUMNS: dict[str, str] = {
    **{f"single_stream_p{share}_ms{end}": "Float64" for share in _SHARES for end in ("", "_low", "_high")},
    **{f"single_stream_p{share}_bound_ms": "Float64" for share in _SHARES},
    "single_stream_queries": "Int64",
    **dict.fromkeys(("server_per_s", "server_per_s_low", "server_per_s_high"), "Float64"),
    "server_valid": "boolean",
    **dict.fromkeys(("server_percentile", "server_limit_ms"), "Float64"),
    **dict.fromkeys(("offline_per_s", "offline_per_s_low", "offline_per_s_high"), "Float64"),
    **dict.fromkeys(("offline_instances", "offline_cores_per_instance", "scenario_blocks"), "Int64"),
}


def columns(records: Sequence[Record], confidence: float, searched: bool = True) -> dict[str, Any]:
    """Return what a cell's `scenario` records give of :data:`COLUMNS`; levels over the processes, one a block.

    Parameters
    ----------
    searched : whether the server's highest rate was looked for; else it is the one that the protocol names.
    """
    by_name: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda one: one["block"]):
        by_name[record["scenario"]].append(record)
    row: dict[str, Any] = {"scenario_blocks": max(map(len, by_name.values()), default=None)}
    row |= _single_stream([record for record in by_name["single_stream"] if record["valid"]], confidence)
    row |= _server(by_name["server"], confidence, searched)
    return row | _offline(by_name["offline"], confidence)


def _single_stream(records: Sequence[Record], confidence: float) -> dict[str, Any]:
    """Return the percentiles that every process has queries enough for: those that early stopping puts a bound on."""
    if not records:
        return {}
    row: dict[str, Any] = {
        "single_stream_queries": min(len(probe["latency_ns"]) for record in records for probe in record["probes"])
    }
    for share in _SHARES:
        found = [one for record in records for one in record["percentiles"] if round(one["percentile"] * 100) == share]
        bounds = [one["bound_ns"] for one in found]
        if found and None not in bounds:
            row |= _with_ends(f"single_stream_p{share}_ms", [one["latency_ns"] / 1e6 for one in found], confidence)
            row[f"single_stream_p{share}_bound_ms"] = max(bounds) / 1e6
    return row


def _server(records: Sequence[Record], confidence: float, searched: bool) -> dict[str, Any]:
    if not records:
        return {}
    row: dict[str, Any] = {"server_valid": all(record["valid"] for record in records)}
    row |= {"server_percentile": records[0]["percentile"], "server_limit_ms": records[0]["limit_ns"] / 1e6}
    if row["server_valid"]:
        rates = [_rate(record) if searched else record["per_second"] for record in records]
        known = [rate for rate in rates if rate is not None]
        if len(known) == len(rates):
            row |= _with_ends("server_per_s", known, confidence)
    return row


def _rate(record: Record) -> float | None:
    """Return the highest rate that a process can keep, from what the answers to all its queries took.

    Not the highest that LoadGen called valid: see :mod:`harness.stats.timings.queueing`.
    """
    services = [queueing.service_ns(probe["scheduled_ns"], probe["latency_ns"]) for probe in record["probes"]]
    return queueing.highest_rate(np.concatenate(services), record["percentile"], record["limit_ns"])


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
    return estimate.with_ends(name, estimate.over_invocations(values, confidence))


def texts(group: pd.DataFrame) -> dict[str, tuple[str, Any]]:
    """Return the columns that a person reads, name -> (title, function of a row); none where nothing was measured."""
    found: dict[str, tuple[str, Any]] = {}
    if _measured(group, "single_stream_queries"):
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
    if _measured(frame, "single_stream_queries"):
        yield (
            "stream: p50/p90/p99 of LoadGen SingleStream, one query after the other; geometric means over processes, "
            "with the p50's interval. A percentile stands where each process had queries enough for a bound by early "
            "stopping (99 %): p90 needs 64, p99 662 (protocol.scenario.min_queries). The fewest here are "
            f"{frame['single_stream_queries'].min():.0f}."
        )
    if _measured(frame, "server_valid"):
        yield (
            "q/s: LoadGen Server, queries as a Poisson process, answered one at a time; the rate at which the "
            "percentile is at the limit in the long run, from the time that each of LoadGen's queries took; none: "
            "LoadGen called no rate that was tried valid (early stopping, 99 %)."
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
    if not any(map(is_known, values)):
        return NOTHING
    places = decimals(next(filter(is_known, values)))
    return f"{'/'.join(number(value, places) for value in values)} {_ends(row, 'single_stream_p50_ms', places)}".strip()


def _ends(row: Mapping[str, Any], name: str, places: int) -> str:
    return ends(row[f"{name}_low"], row[f"{name}_high"], places)


def _server_text(row: Mapping[str, Any]) -> str:
    if not is_known(row["server_valid"]):
        return NOTHING
    if not (row["server_valid"] and is_known(row["server_per_s"])):
        return "none"
    places = decimals(*(row[f"server_per_s{end}"] for end in ("", "_low", "_high")))
    return f"{number(row['server_per_s'], places)} {_ends(row, 'server_per_s', places)}".strip()


def _offline_text(row: Mapping[str, Any]) -> str:
    if not is_known(row["offline_per_s"]):
        return NOTHING
    places = decimals(*(row[f"offline_per_s{end}"] for end in ("", "_low", "_high")))
    shape = f"({row['offline_instances']:.0f}x{row['offline_cores_per_instance']:.0f})"
    return " ".join(filter(None, (number(row["offline_per_s"], places), shape, _ends(row, "offline_per_s", places))))
