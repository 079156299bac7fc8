"""The picture of a run's table: each cell's speed-up beside what it costs in the metric, coloured by the criterion."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from harness.metrics import is_percent
from harness.publish.common.heading import Heading
from harness.publish.common.numbers import is_known
from harness.publish.common.pictures import ratio_ticks, save
from harness.publish.table.render import Part, name_of, parts
from harness.text.printable import plain

_COLOURS = {"baseline": "black", "met": "tab:green", "undecided": "tab:orange", "failed": "tab:red"}

#: Heights in inches: of a cell's line, and of all else that a group has.
_LINE, _AROUND = 0.24, 1.3


def draw(frame: pd.DataFrame, heading: Heading, lower_is_better: Collection[str], paths: list[Path]) -> list[Path]:
    """Write the picture to each of `paths`, as SVG or PNG by their endings; none where nothing was compared.

    The same records give the same SVG, byte for byte.

    Parameters
    ----------
    frame, heading : of :func:`harness.publish.table.rows.rows` and :func:`harness.publish.common.heading.heading`.
    lower_is_better : the metrics of which a lower value is better.

    Raises
    ------
    UserError : a folder that cannot be written.
    """
    groups = [(part.title, _run(part)) for part in parts(frame, heading) if part.rows["speedup"].notna().any()]
    if not groups:
        return []
    heights = [_AROUND + _LINE * len(cells) for _, cells in groups]
    figure = Figure(figsize=(11, 0.7 + sum(heights)), layout="constrained")
    grid = figure.subplots(len(groups), 2, squeeze=False, sharey="row", height_ratios=heights)
    for (title, cells), (speed, metric) in zip(groups, grid, strict=True):
        _draw(title, cells, speed, metric, lower_is_better)
    figure.suptitle(f"{heading.suite}, run {heading.run}\n{heading.host}", fontsize="medium")
    marks = [Line2D([], [], marker="o", linestyle="", color=colour) for colour in _COLOURS.values()]
    marks.append(Line2D([], [], marker="o", linestyle="", color="gray", markerfacecolor="white"))
    words = [word if word == "baseline" else f"criterion {word}" for word in _COLOURS]
    words.append("unstable or disturbed, or INT8 in part")
    figure.legend(marks, words, loc="outside lower center", ncols=len(words), fontsize="small")
    save(figure, paths)
    return paths


def _run(part: Part) -> pd.DataFrame:
    """Return the rows that were run, or failed; not those that the plan left out."""
    return part.rows[~part.rows["status"].isin(("excluded", "unsupported"))]


def _draw(title: str, cells: pd.DataFrame, speed: Axes, metric: Axes, lower_is_better: Collection[str]) -> None:
    names = cells["metric"].dropna()
    name = names.iloc[0] if len(names) else "metric"
    scale, unit = (100, ", points") if is_percent(name) else (1, "")
    for place, (_, row) in enumerate(cells.iterrows()):
        colour = _colour(row)
        filled = "white" if row["status"] in ("unstable", "disturbed", "partial") else colour
        if is_known(row["speedup"]):
            _mark(speed, row, "speedup", place, colour, filled, 1)
        else:
            speed.text(1, place, f" {row['status']}", va="center", fontsize="small", color="gray")
        if is_known(row["difference"]):
            _mark(metric, row, "difference", place, colour, filled, scale)
    speed.axvline(1, color="black", linewidth=0.8)
    metric.axvline(0, color="black", linewidth=0.8)
    allowed = cells["criterion_allowed"].dropna()
    if len(allowed):
        _forbid(metric, scale * allowed.iloc[0], name in lower_is_better)
    speed.set_yticks(range(len(cells)), [plain(name_of(row)) for _, row in cells.iterrows()], fontsize="small")
    speed.set_ylim(len(cells) - 0.5, -0.5)  # the first row on top
    speed.set_xscale("log")
    speed.xaxis.set_minor_locator(NullLocator())
    speed.set_xticks(ratio_ticks(*speed.get_xlim()))
    speed.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    speed.set_title(title, loc="left", fontsize="small")
    speed.set_xlabel("speed-up over the baseline's p50, with its interval", fontsize="small")
    metric.set_xlabel(f"difference in {name}{unit}; grey: more than is allowed", fontsize="small")
    for axes in (speed, metric):
        axes.grid(axis="x", alpha=0.3)
        axes.tick_params(labelsize="small")


def _mark(axes: Axes, row: pd.Series, column: str, height: float, colour: str, filled: str, scale: float) -> None:
    low, high = row[f"{column}_low"], row[f"{column}_high"]
    if is_known(low) and is_known(high):
        axes.plot((scale * low, scale * high), (height, height), color=colour, linewidth=1.4, zorder=2)
    axes.plot(scale * row[column], height, "o", color=colour, markerfacecolor=filled, markersize=5, zorder=3)


def _forbid(axes: Axes, allowed: float, lower_is_better: bool) -> None:
    """Shade what is worse than the allowed loss, which stays in sight."""
    low, high = axes.get_xlim()
    reach = 1.5 * allowed
    low, high = (low, max(high, reach)) if lower_is_better else (min(low, -reach), high)
    axes.axvspan(*((allowed, high) if lower_is_better else (low, -allowed)), color="gray", alpha=0.15, zorder=0)
    axes.set_xlim(low, high)


def _colour(row: pd.Series) -> str:
    if row["baseline"] == row["cell_key"]:
        return _COLOURS["baseline"]
    return _COLOURS.get(row["criterion"], "gray")
