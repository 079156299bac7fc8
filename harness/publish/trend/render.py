"""Trends for people: the steps and what changed between runs, on the terminal, as Markdown and as CSV."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table

from harness.publish.common import numbers
from harness.publish.common.narrow import print_table
from harness.publish.table.render import escaped, write_csv_and_markdown
from harness.publish.trend import power
from harness.publish.trend.accuracy import evaluation_of
from harness.publish.trend.latency import ACCURACY, CANDIDATE, CONFIRMED, LATENCY, Candidate, Trend, marks
from harness.results import store
from harness.stats.decisions.trend import FEWEST_AFTER, FEWEST_BEFORE
from harness.stats.timings.estimate import Interval, in_units
from harness.text.terminal import Console, Text
from harness.text.words import counted

#: Columns of the CSV. `change` is relative (0.031 is +3.1 %), for accuracy a difference in the metric's unit.
COLUMNS = (
    "metric", "cell", "machine", "host", "runs", "first_run", "earliest_run", "latest_run", "found_run", "before",
    "after", "unit", "change", "change_low", "change_high", "control_change", "verdict", "status", "because", "changed",
)  # fmt: skip

_HEADINGS = ("cell", "step [interval]", "before -> after", "first run after", "changed between", "status")
_COLOURS = {CONFIRMED: "bold red", CANDIDATE: "yellow"}


def rows(trends: Sequence[Trend]) -> pd.DataFrame:
    """Return one row a step, with the columns of :data:`COLUMNS`; latencies are in milliseconds."""
    return pd.DataFrame([_row(one, found) for one in trends for found in one.candidates], columns=list(COLUMNS))


def show(trends: Sequence[Trend], root: Path, console: Console) -> None:
    """Print the steps, what changed between runs, and how much there was to look at."""
    for line in summary(trends):
        console.print(Text(line), soft_wrap=True)
    steps = [(one, found) for one in trends for found in one.candidates]
    if steps:
        _print(console, _HEADINGS, [_fields(one, found, root) for one, found in steps], status=-1)
    if changes := _changes(trends, root):
        console.print(Text("What the cells were measured with has changed:"))
        _print(console, _CHANGES, changes)


def write(trends: Sequence[Trend], root: Path, folder: Path, name: str) -> list[Path]:
    """Write ``NAME.csv`` and ``NAME.md`` into a folder, made if need be, and return their paths.

    Raises
    ------
    UnwritableError : the folder cannot be written.
    """
    return write_csv_and_markdown(rows(trends), markdown(trends, root), folder, name, "the trend")


def markdown(trends: Sequence[Trend], root: Path) -> str:
    """Return the steps, and what changed between runs, as Markdown."""
    lines = [f"### Trend of {trends[0].metric}", "", *(line for one in summary(trends) for line in (escaped(one), ""))]
    steps = [_fields(one, found, root) for one in trends for found in one.candidates]
    for headings, body in ((_HEADINGS, steps), (_CHANGES, _changes(trends, root))):
        if body:
            frame = pd.DataFrame([[escaped(field) for field in row] for row in body], columns=headings, dtype=object)
            lines += [frame.to_markdown(index=False, disable_numparse=True), ""]
    return "\n".join(lines)


def summary(trends: Sequence[Trend]) -> list[str]:
    """Return what was looked at, and what came of it, in sentences."""
    metric = trends[0].metric
    machines, runs = {one.history.machine for one in trends}, {point.run for one in trends for point in one.points}
    by_status: dict[str, int] = defaultdict(int)
    for one in trends:
        for found in one.candidates:
            by_status[found.status] += 1
    hosts = counted(len(machines), "host")
    steps = ", ".join(f"{count} {status}" for status, count in by_status.items()) or "none"
    lines = [f"{metric}: {len(trends)} histories on {hosts}, {len(runs)} runs; steps: {steps}."]
    if below := sum(one.below_floor for one in trends):
        floors = " or ".join(sorted({f"{one.floor:.1%}" for one in trends if one.below_floor}))
        lines.append(f"{below} smaller than the host's floor of {floors} are not shown (harness aa tells the floor).")
    if metric != ACCURACY:
        without = {point.host for one in trends for point in one.points[-1:] if one.floor is None}
        if without:
            lines.append(f"No floor is known of host {', '.join(sorted(without))}; 'harness aa' measures it.")
        lines += power.sentences(trends)
        short = sum(len(one.points) < FEWEST_BEFORE + FEWEST_AFTER for one in trends)
        if short:
            fewest = FEWEST_BEFORE + FEWEST_AFTER
            lines.append(f"{short} histories have fewer than {fewest} runs, which can show no step yet.")
    return lines


def unit(one: Trend) -> tuple[str, float]:
    """Return the unit that a trend's levels are shown in, and what they are multiplied with."""
    if one.metric == ACCURACY:
        return evaluation_of(one.points[-1]).metric, 1.0
    return ("ms", 1e-6) if one.metric == LATENCY else ("rows/s", 1.0)


def size(one: Trend, found: Candidate) -> str:
    """Return a step's size with its interval: ``+3.1 % [+2.4, +3.8]``, for accuracy in the metric's unit."""
    ends = _change(one, found)
    if one.metric == ACCURACY:
        return f"{ends.estimate:+.4f} {numbers.ends(ends.low, ends.high, 4, signed=True)}".strip()
    percent = in_units(ends, 100.0)
    places = numbers.decimals(percent.estimate, percent.low, percent.high, digits=2)
    interval = numbers.ends(percent.low, percent.high, places, signed=True)
    return f"{numbers.number(percent.estimate, places, ' %', signed=True)} {interval}".strip()


def _change(one: Trend, found: Candidate) -> Interval:
    less = 0.0 if one.metric == ACCURACY else 1.0
    low, high = (None if end is None else end - less for end in (found.size.low, found.size.high))
    return Interval(found.size.estimate - less, low, high)


def _row(one: Trend, found: Candidate) -> dict[str, Any]:
    name, factor = unit(one)
    change = _change(one, found)
    return {
        "metric": one.metric,
        "cell": one.history.key,
        "machine": one.history.machine,
        "host": one.points[found.first].host,
        "runs": len(one.points),
        **{f"{place}_run": one.points[getattr(found, place)].run for place in ("first", "earliest", "latest", "found")},
        "before": numbers.stable(found.before * factor),
        "after": numbers.stable(found.after * factor),
        "unit": name,
        "change": numbers.stable(change.estimate),
        "change_low": numbers.stable(change.low),
        "change_high": numbers.stable(change.high),
        "control_change": None if found.control is None else numbers.stable(found.control - 1),
        "verdict": found.verdict,
        "status": found.status,
        "because": found.because,
        "changed": "; ".join(difference.line for difference in found.differences),
    }


def _fields(one: Trend, found: Candidate, root: Path) -> list[str]:
    """Return what a person reads of a step, one text a heading."""
    name, factor = unit(one)
    before, after = found.before * factor, found.after * factor
    places = 4 if one.metric == ACCURACY else numbers.decimals(after, before, after)
    step = f"{found.verdict} {size(one, found)}".strip()
    if found.control is not None:
        step += f"; host's control {100 * (found.control - 1):+.1f} %"
    first = one.points[found.first].run
    if found.earliest != found.latest:
        first += f" (or any from {one.points[found.earliest].run} to {one.points[found.latest].run})"
    changed = "; ".join(difference.line for difference in found.differences) or "nothing that is recorded"
    status = f"{found.status}: {found.because}" if found.because else found.status
    cell = f"{one.history.key} on {store.host_line(root, one.points[-1].host)}"
    return [cell, step, f"{before:.{places}f} -> {after:.{places}f} {name}", first, changed, status]


_CHANGES = ("first run after", "changed", "cells")


def _changes(trends: Sequence[Trend], root: Path) -> list[list[str]]:
    """Return each change between two runs once, with how many cells it concerns."""
    cells_of: Mapping[tuple[str, str], set[str]] = defaultdict(set)
    for one in trends:
        for place, differences in marks(one, root):
            for difference in differences:
                cells_of[one.points[place].run, difference.line].add(one.history.key)
    return [[run, line, str(len(cells))] for (run, line), cells in sorted(cells_of.items())]


def _print(console: Console, headings: Sequence[str], body: Sequence[Sequence[str]], status: int | None = None) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold", vertical="top")
    for row in body:
        # Text is never read as markup: a label may hold square brackets.
        cells = [Text(field) for field in row]
        if status is not None:
            cells[status].stylize(_COLOURS.get(row[status].split(":")[0], ""))
        table.add_row(*cells)
    print_table(table, console)
