"""The columns of a table that a person reads: how each is worded, and which of them fit a width."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.metrics import is_percent
from harness.publish.columns import costs, coverage, disturbances, placements, scenarios, tunings
from harness.publish.common.frames import row_dicts
from harness.publish.common.numbers import NOTHING, blocks, decimals, ends, is_known, number, p_value, share

Row = Mapping[str, Any]

#: Metrics that are shares of rows, or built of such, read as percent; correlations do not.
_GAP = 2
_LABEL_WIDTH = 18


@dataclass(frozen=True)
class Field:
    """One value of a row as text, below `title`. Titles and texts may hold the group's metric and batch sizes."""

    title: str
    text: Callable[[Row], str]


@dataclass(frozen=True)
class Column:
    """Fields that stand together, one tuple a line; the last of those with the least `priority` is the first to go."""

    lines: tuple[tuple[str, ...], ...]
    priority: int
    is_text: bool = False


@dataclass(frozen=True)
class TableLayout:
    """A laid-out table: headings and cells, each a list of lines."""

    columns: tuple[Column, ...]
    headings: list[list[str]]
    cells: list[list[list[str]]]

    @property
    def width(self) -> int:
        """Characters that the table takes when nothing is cut."""
        stacks = zip(self.headings, *self.cells, strict=True)
        widths = (max(len(line) for lines in stack for line in lines) for stack in stacks)
        return sum(widths) + _GAP * (len(self.columns) - 1)


#: The priority of what a cell costs beside its latency: it goes before a line is folded.
_COSTS = 2

#: Everything on one line a cell.
WIDE = (
    Column((("approach",),), 20, True),
    Column((("backend",),), 19, True),
    Column((("status", "note"),), 18, True),
    Column((("value", "value_ends"),), 17),
    Column((("difference", "difference_ends"),), 14),
    Column((("criterion",),), 13, True),
    Column((("speedup", "speedup_ends"),), 16),
    Column((("p50", "p50_ends"),), 15),
    Column((("p90",),), 6),
    Column((("p99",),), 7),
    Column((("iterations",),), 6),
    Column((("throughput", "throughput_ends"),), 12),
    Column((("agreement",),), 8),
    Column((("changed",),), 9),
    Column((("mcnemar",),), 5),
    Column((("trials",),), 14),
    Column((("evaluations",),), 14),
    Column((("tuning_seconds",),), 14),
    Column((("fallback",),), 14),
    Column((("single_stream",),), 14),
    Column((("server",),), 14),
    Column((("offline",),), 14),
    Column((("size",),), 10),
    Column((("memory",),), 4),
    Column((("int8_share",),), 11),
    Column((("lowered_ops", "float_ops"),), 11),
    Column((("blocks",),), 3),
    *(Column(((name,),), _COSTS) for name in (*costs.COLUMNS, *costs.OPTIONAL_COLUMNS)),
)

#: The same in two lines a cell, for terminals that are not so wide.
FOLDED = (
    Column((("approach",), ("backend",)), 20, True),
    Column((("status",), ("criterion_or_note",)), 18, True),
    Column((("value",), ("value_ends",)), 17),
    Column((("difference",), ("difference_ends",)), 14),
    Column((("speedup",), ("speedup_ends",)), 16),
    Column((("p50",), ("p50_ends",)), 15),
    Column((("p90",), ("p99",)), 7),
    Column((("throughput",), ("throughput_ends",)), 12),
    Column((("agreement",), ("changed",)), 9),
    Column((("mcnemar",), ("blocks",)), 5),
    Column((("trials",), ("evaluations",)), 15),
    Column((("tuning_seconds",), ("fallback",)), 14),
    Column((("server",), ("offline",)), 16),
    Column((("single_stream",), ()), 14),
    Column((("size",), ("memory",)), 10),
    Column((("int8_share",), ()), 11),
    Column((("lowered_ops",), ("float_ops",)), 11),
    Column((("load_seconds",), ("first_ms",)), 3),
    Column((("quantize_seconds",), ("cpu_seconds",)), 2),
    Column((("energy_mj",), ("cost_per_million",)), 2),
)


def fields(group: pd.DataFrame, footnotes: Mapping[str, int]) -> dict[str, Field]:
    """Return the fields of the rows of one comparison group; `footnotes` numbers their reasons."""
    metric = _first(group["metric"], "metric")
    scale, unit = (100, " %") if is_percent(metric) else (1, "")
    rows_a_batch = _first(group["throughput_batch"], None)
    several_tuners = group["tuner"].nunique() > 1 or not group["tuner"].isin(["none"]).all()

    def backend(row: Row) -> str:
        return f"{row['backend']} {row['tuner']}" if several_tuners else str(row["backend"])

    def note(row: Row) -> str:
        return f"[{footnotes[row['reason']]}]" if is_known(row["reason"]) else ""

    def criterion(row: Row) -> str:
        if is_known(row["baseline"]) and row["baseline"] == row["cell_key"]:
            return "baseline"
        return row["criterion"] if is_known(row["criterion"]) else ""

    def with_ends(
        title: str, name: str, factor: float = 1, unit: str = "", digits: int = 3, signed: bool = False
    ) -> tuple[Field, Field]:
        def places(row: Row) -> tuple[tuple[float, float, float], int]:
            value, low, high = (row[column] * factor for column in (name, f"{name}_low", f"{name}_high"))
            return (value, low, high), decimals(value, low, high, digits) if is_known(value) else 0

        def estimate(row: Row) -> str:
            (value, _, _), count = places(row)
            return number(value, count, unit, signed)

        def interval(row: Row) -> str:
            (_, low, high), count = places(row)
            return ends(low, high, count, signed)

        return Field(title, estimate), Field("[interval]", interval)

    value, value_ends = with_ends(metric + unit, "value", scale)
    # A difference may be all noise, so nothing but its interval says how many digits it has.
    digits = 2 if group["difference_low"].isna().all() else 0
    difference, difference_ends = with_ends("difference", "difference", scale, digits=digits, signed=True)
    speedup, speedup_ends = with_ends("speed-up", "speedup", unit="x")
    p50, p50_ends = with_ends("p50 ms", "p50_ms")
    throughput, throughput_ends = with_ends(
        f"rows/s@{rows_a_batch:.0f}" if rows_a_batch else "rows/s", "throughput_per_s"
    )

    def tail(name: str) -> Callable[[Row], str]:
        # Not with more digits than the median, which is known best.
        def text(row: Row) -> str:
            if not is_known(row["p50_ms"]):
                return NOTHING
            return number(row[name], decimals(row["p50_ms"], row["p50_ms_low"], row["p50_ms_high"]))

        return text

    more = scenarios.texts(group) | tunings.texts(group) | coverage.texts(group) | costs.texts(group)
    return {
        "approach": Field("approach", lambda row: str(row["approach"])),
        "backend": Field("backend", backend),
        "status": Field("status", lambda row: str(row["status"])),
        "note": Field("", note),
        "criterion": Field("criterion", lambda row: criterion(row) or NOTHING),
        "criterion_or_note": Field("criterion", lambda row: f"{criterion(row)} {note(row)}"),
        "value": value,
        "value_ends": value_ends,
        "difference": difference,
        "difference_ends": difference_ends,
        "speedup": speedup,
        "speedup_ends": speedup_ends,
        "p50": p50,
        "p50_ends": p50_ends,
        "p90": Field("p90 ms", tail("p90_ms")),
        "p99": Field("p99 ms", tail("p99_ms")),
        "iterations": Field("samples", lambda row: number(row["iterations"])),
        "throughput": throughput,
        "throughput_ends": throughput_ends,
        "agreement": Field("agree %", lambda row: share(row["agreement"])),
        "changed": Field("-broken +fixed", _changed),
        "mcnemar": Field("McNemar p", lambda row: p_value(row["mcnemar_p"])),
        "size": Field("size MB", lambda row: number(row["size_mb"], 1)),
        "memory": Field("peak MB", lambda row: number(row["peak_memory_mb"])),
        "lowered_ops": Field("executed", _lowered_ops),
        "float_ops": Field("ops", lambda row: number(row["fp32_ops"], 0, " fp32")),
        "blocks": Field("blocks", _blocks),
        **{name: Field(*words) for name, words in more.items()},
    }


def fit(group: pd.DataFrame, footnotes: Mapping[str, int], width: int) -> TableLayout:
    """Lay out a group's rows in `width` characters: on one line each, else on two, else without the lesser columns.

    Numbers are never cut: below the width of the most important columns the table is wider than asked.
    """
    known = fields(group, footnotes)
    for wide in (WIDE, tuple(column for column in WIDE if column.priority > _COSTS)):
        block = lay_out(wide, known, group)
        if block.width <= width:
            return block
    columns: tuple[Column, ...] = FOLDED
    block = lay_out(columns, known, group)
    while block.width > width and len(columns) > 2:
        least = min(column.priority for column in columns)
        last = max(place for place, column in enumerate(columns) if column.priority == least)
        columns = columns[:last] + columns[last + 1 :]
        block = lay_out(columns, known, group)
    return block


def lay_out(columns: Sequence[Column], known: Mapping[str, Field], group: pd.DataFrame) -> TableLayout:
    """Return the headings and cells of `columns` for every row of a group; without those that nothing is known of."""
    columns = [
        dataclasses.replace(column, lines=lines)
        for column in columns
        if any(lines := tuple(tuple(name for name in line if name in known) for line in column.lines))
    ]
    headings = [
        [" ".join(known[name].title for name in line).strip() for line in column.lines if line] for column in columns
    ]
    cells = [[_cell(column, known, row) for column in columns] for row in row_dicts(group)]
    return TableLayout(tuple(columns), headings, cells)


def _cell(column: Column, known: Mapping[str, Field], row: Row) -> list[str]:
    lines = [" ".join(filter(None, (known[name].text(row) for name in line))).strip() for line in column.lines]
    if all(set(line) <= {NOTHING, " "} for line in lines):
        return [NOTHING]
    return [part for line in lines for part in _broken(line)] if column.is_text else lines


def _broken(label: str) -> list[str]:
    """Break a long label, such as one with overridden fields in brackets, behind its commas, dots and the like."""
    lines = [""]
    for part in re.findall(r".+?(?:[\[(,./=_ ]+|$)", label):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > _LABEL_WIDTH:
            lines.append("")
        lines[-1] += part
    return [line.rstrip() for line in lines]


def _changed(row: Row) -> str:
    if not (is_known(row["broken"]) and is_known(row["fixed"])):
        return NOTHING
    return f"-{row['broken']:.0f} +{row['fixed']:.0f}"


def _lowered_ops(row: Row) -> str:
    if not is_known(row["int8_ops"]):
        return NOTHING
    shown = [("int8", row["int8_ops"])] if row["int8_ops"] or not row["bf16_ops"] else []
    shown += [("bf16", row["bf16_ops"])] if row["bf16_ops"] else []
    return " ".join(f"{count:.0f} {name}{placements.tile_words(row, name)}" for name, count in shown)


def _blocks(row: Row) -> str:
    if not is_known(row["blocks_wanted"]):
        return NOTHING
    return blocks(int(row["blocks"]), int(row["blocks_wanted"])) + disturbances.beside(row)


def _first(values: pd.Series, default: Any) -> Any:
    there = values.dropna()
    return there.iloc[0] if len(there) else default
