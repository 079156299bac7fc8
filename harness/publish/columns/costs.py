"""What a cell costs beside its latency: time to make and to start it, CPU time, clock, energy, instructions, money.

What a host did not tell, or a config did not price, is empty and never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import pandas as pd

from harness.backends.common.multiplications import of_rows
from harness.publish.common.numbers import NOTHING, decimals, is_known, number
from harness.results.cells import series as series_of

Record = Mapping[str, Any]

#: As :data:`harness.publish.table.rows.COLUMNS`, of what was recorded from the beginning.
COLUMNS: dict[str, str] = dict.fromkeys(
    ("quantize_seconds", "load_seconds", "first_ms", "cpu_seconds", "clock_ghz"), "Float64"
)

#: Likewise; only a run has them whose host told them or whose config names a price. Energy and cost are at the
#: throughput batch, the others at the latency batch.
OPTIONAL_COLUMNS: dict[str, str] = dict.fromkeys(
    ("energy_mj", "instructions", "cycles", "memory_share", "int8_peak_share", "cost_per_million"), "Float64"
)

#: Stages that make a cell's own artefact from the FP32 checkpoint.
_MAKERS = ("quantize", "tune")

#: What a miss of the last-level cache fetches: a line of x86-64.
_LINE_BYTES = 64


def columns(
    prepared: Record | None,
    invocations: Sequence[Record],
    per_second: float | None,
    host: Record,
    int8_share: float | None,
    peaks: Mapping[tuple[int, ...], Record],
) -> dict[str, Any]:
    """Return what a cell's records give of :data:`COLUMNS` and :data:`OPTIONAL_COLUMNS`, medians over invocations.

    Parameters
    ----------
    per_second : rows at the throughput batch.
    host : the cell's host option, which may name a price an hour.
    int8_share : share of the cell's multiplications that ran in INT8.
    peaks : cores -> the `peak` record of them.
    """
    row: dict[str, Any] = {}
    if prepared is not None:
        made = [stage["seconds"] for stage in prepared["stages"] if stage["stage"] in _MAKERS]
        row["quantize_seconds"] = made[-1] if made else None
    if not invocations:
        return row
    row["load_seconds"] = median(one["load_seconds"] for one in invocations)
    row["cpu_seconds"] = median(one["process_seconds"] for one in invocations)
    row["first_ms"] = _median(_first_ns(one) for one in invocations)
    row["clock_ghz"] = _median(_clock_khz(one) for one in invocations)
    row = {**row, **{name: row[name] and row[name] / 1e6 for name in ("first_ms", "clock_ghz")}}
    latency = [found for one in invocations if (found := series_of(one, "latency")) is not None]
    throughput = [found for one in invocations if (found := series_of(one, "throughput")) is not None]
    for name in ("instructions", "cycles"):
        row[name] = _median(_per_row(one, name) for one in latency)
    energy_uj = _median(_per_row(one, "energy_uj") for one in throughput)
    row["energy_mj"] = None if energy_uj is None else energy_uj / 1e3
    row["memory_share"] = _median(_memory_share(one) for one in invocations)
    row["int8_peak_share"] = _peak_share(prepared, invocations[-1], throughput, per_second, int8_share, peaks)
    price = host.get("price_per_hour")
    row["cost_per_million"] = price / 3600 * 1e6 / per_second if price is not None and per_second else None
    return {name: value for name, value in row.items() if value is not None}


def texts(group: pd.DataFrame) -> dict[str, tuple[str, Any]]:
    """Return the columns that a person reads, name -> (title, function of a row); only those that something tells."""
    titles = {
        "quantize_seconds": "quantize s",
        "load_seconds": "load s",
        "first_ms": "first ms",
        "cpu_seconds": "CPU s",
        "clock_ghz": "GHz",
        "energy_mj": "mJ/row",
        "instructions": "instr/row",
        "cycles": "cycles/row",
        "memory_share": "memory %",
        "int8_peak_share": "int8 peak %",
        "cost_per_million": "cost/1e6",
    }
    return {
        name: (title, _text(name, 100 if name in ("memory_share", "int8_peak_share") else 1))
        for name, title in titles.items()
        if name in group and group[name].notna().any()
    }


def legend(frame: pd.DataFrame) -> Iterator[str]:
    """Yield what a reader must know of these columns."""
    if "load_seconds" in frame and frame["load_seconds"].notna().any():
        yield (
            "quantize s: making the artefact from the FP32 checkpoint, tuning included. load s: of the artefact, "
            "without imports; first ms: the first forward pass of a process. CPU s: of one process, from start to end. "
            "GHz: what the kernel shows of the clock."
        )
    if any(name in frame and frame[name].notna().any() for name in ("energy_mj", "instructions", "memory_share")):
        yield (
            "mJ/row: of the CPU packages with all that they did meanwhile (RAPL), at the throughput batch. instr/row, "
            "cycles/row: in user mode (perf), at the latency batch; memory %: bytes of their last-level misses a "
            "second over what the control copied a second."
        )
    if "int8_peak_share" in frame and frame["int8_peak_share"].notna().any():
        yield (
            "int8 peak %: multiplications in INT8 a second at the throughput batch, padding included, over those of "
            "the fastest 8-bit matrix product that torch showed on these cores; a runtime with faster kernels can "
            "exceed it."
        )
    if "cost_per_million" in frame and frame["cost_per_million"].notna().any():
        yield "cost/1e6: of a million rows at the throughput batch, by host.price_per_hour, in its currency."


def _text(name: str, factor: float) -> Any:
    def text(row: Record) -> str:
        value: float | None = row.get(name)
        return number(value * factor, min(decimals(value * factor), 3)) if is_known(value) else NOTHING

    return text


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _first_ns(invocation: Record) -> float | None:
    """Return what the first forward pass of a process took; None where no pass was discarded."""
    series = series_of(invocation, "latency")
    return series["warmup_ns"][0] if series is not None and series["warmup_ns"] else None


def _clock_khz(invocation: Record) -> float | None:
    told = invocation["system"]["after"].get("frequency_khz") or []
    return _median(told)


def _per_row(series: Record, name: str) -> float | None:
    counted, passes = series.get("counters", {}).get(name), series.get("counted_passes")
    return None if counted is None or not passes else counted / (passes * series["batch_size"])


def _peak_share(
    prepared: Record | None,
    invocation: Record,
    throughput: Sequence[Record],
    per_second: float | None,
    int8_share: float | None,
    peaks: Mapping[tuple[int, ...], Record],
) -> float | None:
    """Return 8-bit multiplications a second over the host's; None where a factor is not known, or lengths differ."""
    peak = peaks.get(tuple(invocation["cores"]))
    if prepared is None or peak is None or not throughput or not per_second or not int8_share:
        return None
    if "tokens" in throughput[-1]:
        return None
    multiplications = of_rows(prepared.get("per_row"), 1, throughput[-1]["sequence_length"])
    return None if multiplications is None else multiplications * int8_share * per_second / peak["int8_per_second"]


def _memory_share(invocation: Record) -> float | None:
    """Return bytes fetched for last-level misses a second of the latency series, over those that the control moved."""
    series, control = series_of(invocation, "latency"), invocation["control"]
    if series is None or (misses := _per_row(series, "cache_misses")) is None:
        return None
    seconds = median(series["latency_ns"]) * 1e-9
    fetched = misses * series["batch_size"] * _LINE_BYTES / seconds
    return fetched / (control["stream_bytes"] / (median(control["stream_ns"]) * 1e-9))
