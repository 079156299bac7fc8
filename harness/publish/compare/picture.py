"""The picture of a comparison: each cell's ratio of speeds with its interval, coloured by its verdict."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from harness.config.schema import AXES
from harness.publish.common.pictures import ratio_ticks, save
from harness.publish.compare.columns import ROLES
from harness.publish.compare.comparison import Comparison
from harness.text.printable import plain

_COLOURS = {"faster": "tab:green", "slower": "tab:red", "equivalent": "tab:blue", "inconclusive": "tab:gray"}

_MARKS = {"latency": "o", "throughput": "s"}


def draw(compared: Comparison, paths: list[Path]) -> list[Path]:
    """Write the picture to each of `paths`, as SVG or PNG by their endings; none where no ratio is known.

    The same records give the same SVG, byte for byte.

    Raises
    ------
    UserError : a folder that cannot be written.
    """
    rows = compared.rows
    roles = [role for role in ROLES if rows[f"{role}_ratio"].notna().any()]
    if not roles:
        return []
    several = [axis for axis in AXES if axis == "approach" or rows[axis].nunique() > 1]
    names = ["/".join(str(row[axis]) for axis in several) for _, row in rows.iterrows()]
    figure = Figure(figsize=(9, 1.6 + 0.36 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    seen: set[str] = set()
    for role, shift in zip(roles, (-0.13, 0.13) if len(roles) > 1 else (0.0,), strict=True):
        for place, (_, row) in enumerate(rows.iterrows()):
            _draw(axes, row, role, place + shift, seen)
    margin = 1 + compared.rule.margin
    axes.axvspan(1 / margin, margin, color="tab:blue", alpha=0.08, label=f"margin {compared.rule.margin:.1%}")
    if compared.rule.floor is not None and compared.mode != "hosts":
        for edge in (1 + compared.rule.floor, 1 / (1 + compared.rule.floor)):
            axes.axvline(edge, color="black", linewidth=0.8, linestyle=":")
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(names)), list(map(plain, names)))
    axes.set_ylim(len(names) - 0.5, -0.5)  # the first row on top
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ratio_ticks(*axes.get_xlim()))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    what = "speed" if compared.mode == "interleaved" else "ratio of speed-ups"
    axes.set(xlabel=f"{what}, B over A (above 1: B is faster); circle: latency, square: throughput")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="best", fontsize="small")
    save(figure, paths)
    return paths


def _draw(axes: Axes, row: pd.Series, role: str, height: float, seen: set[str]) -> None:
    ratio, verdict = row[f"{role}_ratio"], row[f"{role}_verdict"]
    if not ratio > 0:
        return
    low, high = row[f"{role}_ratio_low"], row[f"{role}_ratio_high"]
    if low > 0:
        axes.plot((low, high), (height, height), color=_COLOURS[verdict], linewidth=1.6)
    label = None if verdict in seen else verdict
    seen.add(verdict)
    axes.plot(ratio, height, _MARKS[role], color=_COLOURS[verdict], markersize=5, linestyle="none", label=label)
