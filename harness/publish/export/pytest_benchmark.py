"""A run's cells in the form of pytest-benchmark's JSON, which its compare, its histogram and CI actions read.

A round is an invocation and its time the invocation's median, because iterations inside one process are not
independent; pytest-benchmark's spread is then that between processes. Rounds are those that the table counts, brought
to its level (:mod:`harness.stats.timings.common_level`): their geometric mean is the p50 of the table, which
`extra_info` has with its interval, so two benchmarks of a group compare as their rows do.

Its readers look at names and times alone. So a cell that has failed is left out, as pytest-benchmark leaves out a test
that failed, and one that is not fit for use otherwise says so in its name and stands in a group of its own, where it is
ranked beside no cell that is. Status, criterion and accuracy are in `extra_info`.
"""

from __future__ import annotations

import json
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from harness.errors import UserError
from harness.publish.columns import disturbances
from harness.publish.columns.speeds import level_of, series_by_block
from harness.publish.common.frames import row_dicts
from harness.publish.common.numbers import is_known
from harness.publish.common.recorded import Planned, Recorded, baseline_of, index, planned
from harness.publish.table import rows
from harness.results import cells
from harness.stats.decisions.verdict import has_failed
from harness.stats.timings.common_level import CommonLevel
from harness.stats.timings.estimate import inverse, with_ends

Record = Mapping[str, Any]

#: The version of pytest-benchmark whose fields these are.
VERSION = "5.3.1"

#: Columns of the table that a benchmark tells of its cell.
_TOLD = (
    *("status", "reason", "metric", "value", "value_low", "value_high", "baseline", "criterion"),
    *("difference", "difference_low", "difference_high", "speedup", "speedup_low", "speedup_high"),
)

#: Of the interpreter that times; pytest-benchmark's is its own, ours is each environment's and stands in its lock.
_INTERPRETER = (
    *("python_compiler", "python_implementation", "python_implementation_version", "python_version", "python_build"),
)


def document(
    records: Sequence[Record], host: Record | None, wanted: str | None = None, table: pd.DataFrame | None = None
) -> dict[str, Any]:
    """Return the benchmarks of a run: one for each timed series (latency, throughput) of each cell that was measured.

    Parameters
    ----------
    records : of one run, the header first.
    host : the description of its host, None where none is stored.
    wanted : a cell's key or some of its labels; None for all cells.
    table : the run's rows, where they are made already.

    Raises
    ------
    UserError : no such cell, or none was measured that has not failed.
    """
    header = records[0]
    entries = header["cells"] if wanted is None else cells.some(header, wanted)
    table = rows_of(records, host) if table is None else table
    told = {row["cell_digest"]: row for row in row_dicts(table)}
    failed = left_out(table)
    run, cells_of_run = disturbances.counted(index(records)), planned(header)
    by_digest = {cell.digest: cell for cell in cells_of_run}
    wanted_cells = [by_digest[entry["digest"]] for entry in entries if entry["key"] not in failed]
    found = [
        one
        for cell in wanted_cells
        for one in _benchmarks(run, cell, baseline_of(header, cell, cells_of_run), told[cell.digest])
    ]
    if not found:
        which = "no cell" if wanted is None else f"cell {wanted}: none"
        because = "".join(f"; {entry['key']}: {failed[entry['key']]}" for entry in entries if entry["key"] in failed)
        raise UserError(f"run {header['run']}: {which} was measured yet; want at least one invocation{because}")
    return {
        "machine_info": _machine(header["host"], host or {}),
        "commit_info": _commit(header["harness"]),
        "benchmarks": found,
        "datetime": header["time"],
        "version": VERSION,
    }


def rows_of(records: Sequence[Record], host: Record | None) -> pd.DataFrame:
    """Return the rows of a run's table, whose host is described or not."""
    return rows.rows(records, None if host is None else host.get("isa"))


def left_out(table: pd.DataFrame) -> dict[str, str]:
    """Return the key of each cell that has failed, and so is in no document -> its status and reason."""
    return {
        row["cell_key"]: f"{row['status']}: {row['reason']}"
        for row in table.to_dict("records")
        if has_failed(row["status"])
    }


def text(content: Mapping[str, Any]) -> str:
    """Return a document as pytest-benchmark itself writes it: ASCII, four spaces."""
    return json.dumps(content, indent=4, allow_nan=False)


def write(content: Mapping[str, Any], path: Path) -> None:
    """Write a document.

    Raises
    ------
    UserError : the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(content))
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error


def summary(data: Sequence[float]) -> dict[str, Any]:
    """Return pytest-benchmark's statistics of at least one positive time in seconds, by its own definitions.

    Quartiles are the medians of both halves, and for an odd number of rounds between those with and without the median
    (method 3 of Wikipedia's article "Quartile"). Outliers are beyond one standard deviation of the mean, and beyond 1.5
    interquartile ranges of the quartiles (J. W. Tukey, Exploratory Data Analysis, 1977).
    """
    ordered, rounds = sorted(data), len(data)
    mean, total = statistics.mean(data), sum(data)
    spread = statistics.stdev(data) if rounds > 1 else 0
    first, third = _quartiles(ordered)
    low, high = first - 1.5 * (third - first), third + 1.5 * (third - first)
    beyond = _outside(ordered, mean - spread, mean + spread), _outside(ordered, low, high)
    return {
        "min": ordered[0],
        "max": ordered[-1],
        "mean": mean,
        "stddev": spread,
        "rounds": rounds,
        "median": statistics.median(data),
        "iqr": third - first,
        "q1": first,
        "q3": third,
        "iqr_outliers": beyond[1],
        "stddev_outliers": beyond[0],
        "outliers": f"{beyond[0]};{beyond[1]}",
        "ld15iqr": ordered[bisect_left(ordered, low)],
        "hd15iqr": ordered[bisect_right(ordered, high) - 1],
        "ops": rounds / total,
        "total": total,
        "data": list(data),
    }


def _benchmarks(run: Recorded, cell: Planned, baseline: Planned | None, row: Record) -> list[dict[str, Any]]:
    lines = run.invocations[cell.digest]
    roles = dict.fromkeys(one["role"] for block in sorted(lines) for one in lines[block]["series"])
    levels = {role: level_of(run, cell, baseline, role) for role in roles}
    return [_benchmark(run, cell, role, level, row) for role, level in levels.items() if level is not None]


def _benchmark(run: Recorded, cell: Planned, role: str, level: CommonLevel, row: Record) -> dict[str, Any]:
    header, configs, labels = run.header, cell.configs, cell.labels
    by_block = series_by_block(run.invocations[cell.digest], role)
    series = [by_block[block] for block in level.by_block]
    unfit = [] if row["status"] == "ok" else [row["status"]]
    name = f"{cell.key}[{'-'.join((role, *unfit))}]"
    medians = [nanoseconds / 1e9 for nanoseconds in level.by_block.values()]
    rate = inverse(level.level, 1e9 * series[0]["batch_size"])
    batch = series[0]["batch_size"]
    environment = configs["backend"]["environment"]
    return {
        "group": "/".join((labels["model"], labels["task"], labels["host"], labels["protocol"], role, *unfit)),
        "name": name,
        "fullname": name,
        "params": {**labels, "series": role},
        "param": "-".join((*labels.values(), role)),
        "extra_info": {
            "run": header["run"],
            "cell_digest": cell.digest,
            "environment": environment,
            "environment_lock": header["environments"].get(environment),
            "batch_size": batch,
            "sequence_length": series[0]["sequence_length"],
            **with_ends("p50_ms", level.level, 1e-6),
            **with_ends("rows_per_second", rate),
            **{column: row[column] if is_known(row[column]) else None for column in _TOLD},
        },
        "options": {
            "disable_gc": True,
            "timer": "perf_counter_ns",
            "min_rounds": configs["protocol"]["blocks"],
            "max_time": configs["protocol"]["measure_seconds"],
            "min_time": 0,
            "warmup": True,
        },
        "stats": summary(medians) | {"iterations": min(len(one["latency_ns"]) for one in series)},
    }


def _machine(fingerprint: str, host: Record) -> dict[str, Any]:
    cpu = {
        "vendor_id_raw": host.get("vendor"),
        "brand_raw": host.get("model_name"),
        "family": host.get("family"),
        "model": host.get("model"),
        "stepping": host.get("stepping"),
        "count": host.get("logical_cpus"),
        "flags": host.get("isa", []),
    }
    return {
        "node": fingerprint,
        "processor": host.get("model_name"),
        "machine": "x86_64",
        **dict.fromkeys(_INTERPRETER),
        "release": host.get("kernel"),
        "system": "Linux",
        "cpu": {name: value for name, value in cpu.items() if value is not None},
    }


def _commit(code: Record) -> dict[str, Any]:
    return {
        "id": code["revision"] or "unversioned",
        "time": None,
        "author_time": None,
        "dirty": code["dirty"],  # None: not known
        "project": "lowp-harness",
        "branch": "(unknown)",
    }


def _quartiles(ordered: Sequence[float]) -> tuple[float, float]:
    """Return the first and third quartile of sorted values."""
    rounds = len(ordered)
    if rounds == 1:
        return ordered[0], ordered[0]
    if rounds % 2 == 0:
        half = rounds // 2
        return statistics.median(ordered[:half]), statistics.median(ordered[half:])
    quarter, rest = divmod(rounds, 4)
    if rest == 1:
        first = 0.25 * ordered[quarter - 1] + 0.75 * ordered[quarter]
        return first, 0.75 * ordered[3 * quarter] + 0.25 * ordered[3 * quarter + 1]
    first = 0.75 * ordered[quarter] + 0.25 * ordered[quarter + 1]
    return first, 0.25 * ordered[3 * quarter + 1] + 0.75 * ordered[3 * quarter + 2]


def _outside(values: Sequence[float], low: float, high: float) -> int:
    return sum(value < low or value > high for value in values)
