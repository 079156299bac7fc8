"""The picture of a trend: the runs in their order with their intervals, the levels, the steps, and what changed."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from harness.publish.common.pictures import save
from harness.publish.trend import changes
from harness.publish.trend.latency import ACCURACY, CANDIDATE, CONFIRMED, OUT_OF_REACH, REFUTED, Trend, marks
from harness.publish.trend.render import size, unit
from harness.results import store
from harness.results.records import identifiers

SUFFIXES = (".png", ".svg")

#: A normal 95 % interval of a run, in standard errors.
_REACH = 1.96

#: So many runs get their date; more would overlap.
_DATES = 12

#: So many changes are told below the picture; all stand in the table.
_TOLD = 6
_TOLD_LENGTH = 110

_STEP_COLOURS = {CONFIRMED: "tab:red", CANDIDATE: "tab:orange", REFUTED: "tab:gray", OUT_OF_REACH: "tab:purple"}
_MARK_COLOURS = {
    changes.ENVIRONMENT: "tab:green",
    changes.HARNESS: "tab:cyan",
    changes.HOST: "tab:brown",
    changes.CONFIG: "tab:pink",
}


def draw(one: Trend, root: Path, folder: Path) -> list[Path]:
    """Write the picture of a trend as PNG and SVG, and return their paths; the same trend gives the same SVG.

    Raises
    ------
    UnwritableError : the folder cannot be written.
    """
    figure = Figure(figsize=(10, 6), layout="constrained")
    has_control = one.metric != ACCURACY and any(point.gemm_ns or point.stream_ns for point in one.points)
    grid = figure.subplots(2 if has_control else 1, sharex=True, squeeze=False, height_ratios=(4, 1)[: 1 + has_control])
    axes = [row[0] for row in grid]
    _levels(axes[0], one)
    if has_control:
        _control(axes[1], one)
    told = _changes(axes, one, root)
    _dates(axes[-1], one)
    axes[0].set_title(f"{one.history.key}\n{store.host_line(root, one.points[-1].host)}", fontsize=10)
    axes[0].legend(loc="best", fontsize=8)
    if told:
        figure.supxlabel("\n".join(told), fontsize=7.5, x=0.01, ha="left")
    paths = [folder / f"{name_of(one)}{suffix}" for suffix in SUFFIXES]
    save(figure, paths)
    return paths


def name_of(one: Trend) -> str:
    """Return the name of a trend's files: metric, cell and machine."""
    return identifiers.file_name(f"{one.metric}.{one.history.key}.{one.history.machine}")


def _levels(axes: Axes, one: Trend) -> None:
    """Draw each run with its interval, the level between steps, and the steps."""
    name, factor = unit(one)
    places = range(len(one.levels))
    values = [level.value * factor for level in one.levels]
    reach = [
        0.0 if level.error_log is None else _REACH * level.error_log * value
        for level, value in zip(one.levels, values, strict=True)
    ]
    is_exact = one.metric == ACCURACY
    axes.errorbar(
        places,
        values,
        yerr=None if is_exact else reach,
        fmt="o",
        markersize=5,
        color="tab:blue",
        ecolor="tab:blue",
        elinewidth=1,
        label="value of a run" if is_exact else "median of a run, 95 % of its invocations' spread",
        zorder=3,
    )
    edges = [0, *(found.first for found in one.candidates), len(values)]
    for begin, end in itertools.pairwise(edges):
        level = statistics.median(values[begin:end])
        axes.plot((begin - 0.5, end - 0.5), (level, level), color="black", linewidth=1.2, alpha=0.7)
    # One label a status in the legend; the sizes stand at the steps.
    seen: set[str] = set()
    for found in one.candidates:
        colour = _STEP_COLOURS[found.status]
        label = f"step: {found.status}" if found.status not in seen else None
        seen.add(found.status)
        axes.axvline(found.first - 0.5, color=colour, linewidth=1.6, label=label)
        if found.earliest != found.latest:
            axes.axvspan(found.earliest - 0.5, found.latest - 0.5, color=colour, alpha=0.12, linewidth=0)
        axes.annotate(
            size(one, found),
            (found.first - 0.5, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(3, -11),
            textcoords="offset points",
            fontsize=8,
            color=colour,
        )
    axes.set_ylabel(f"{one.metric}, {name}" if name != one.metric else name)
    axes.margins(y=0.18)
    axes.grid(alpha=0.25)


def _control(axes: Axes, one: Trend) -> None:
    """Draw the host's fixed work, relative to its median over the runs: what the host did while the cell was timed."""
    for name, colour, label in (("gemm_ns", "tab:gray", "product"), ("stream_ns", "tab:olive", "memory stream")):
        there = [
            (place, statistics.median(values))
            for place, point in enumerate(one.points)
            if (values := getattr(point, name))
        ]
        if there:
            middle = statistics.median(value for _, value in there)
            axes.plot(
                [place for place, _ in there],
                [100 * (value / middle - 1) for _, value in there],
                "o-",
                markersize=3,
                linewidth=0.8,
                color=colour,
                label=label,
            )
    axes.set_ylabel("control, %")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.3g}"))
    axes.grid(alpha=0.25)
    axes.legend(loc="best", fontsize=7, ncols=2)


def _changes(axes: Sequence[Axes], one: Trend, root: Path) -> list[str]:
    """Mark where something changed between runs with a letter; return what the letters mean."""
    found = marks(one, root)
    told = []
    for number, (place, differences) in enumerate(found):
        letter = chr(ord("a") + number % 26)
        for one_axes in axes:
            one_axes.axvline(
                place - 0.5, color=_MARK_COLOURS[differences[0].kind], linewidth=0.9, linestyle=":", zorder=1
            )
        axes[0].annotate(
            letter,
            (place - 0.5, 0.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=8,
            ha="center",
            bbox={"boxstyle": "circle,pad=0.15", "fc": "white", "ec": _MARK_COLOURS[differences[0].kind]},
        )
        told.append(_cut(f"{letter}  {one.points[place].time[:10]}: " + "; ".join(each.line for each in differences)))
    if len(told) > _TOLD:
        told = [f"{len(told) - _TOLD} earlier changes are told in the table", *told[-_TOLD:]]
    return told


def _dates(axes: Axes, one: Trend) -> None:
    count = len(one.points)
    every = max(1, -(-count // _DATES))
    shown = list(range(0, count, every))
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _date(one, round(value))))
    axes.set_xlim(-0.7, count - 0.3)
    axes.tick_params(axis="x", labelsize=8)


def _date(one: Trend, place: int) -> str:
    return one.points[place].time[:10] if 0 <= place < len(one.points) else ""


def _cut(line: str) -> str:
    return line if len(line) <= _TOLD_LENGTH else line[: _TOLD_LENGTH - 4] + " ..."
