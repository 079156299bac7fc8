"""The picture of a tuning: each trial's accuracy against its latency, the Pareto front, and the chosen one.

Faint bars are the intervals of the difference from FP32. The front is of those trials that no other beats in both; a
number beside each says how many of its ops fall back.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.errors import UserError
from harness.publish.common.pictures import save
from harness.publish.tuning.trials import Tuning, placed
from harness.tuning.history import Trial

SUFFIXES = (".svg", ".png")

_COLOURS = {"ok": "tab:green", "inaccurate": "tab:orange"}

#: More numbers than these would cover each other.
_MOST_NUMBERS = 25


def draw(found: Tuning, path: Path) -> int:
    """Write the picture as SVG or PNG, by the ending of `path`; return how many trials have a place in it.

    The same trials give the same SVG, byte for byte.

    Raises
    ------
    UserError : another ending, no trial with accuracy and latency, or a folder that cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"picture {path}: want a name that ends in {' or '.join(SUFFIXES)}")
    points = placed(found)
    if not points:
        raise UserError(f"cell {found.cell}: no trial has both accuracy and latency, so there is no picture")
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for status, colour in _COLOURS.items():
        chosen = [trial for trial in points if trial.status == status]
        if chosen:
            across, up = zip(*(_place(trial, found) for trial in chosen), strict=True)
            axes.scatter(across, up, color=colour, s=32, zorder=3, label=f"{status} ({len(chosen)})")
        for trial in chosen:
            axes.vlines(_place(trial, found)[0], *_ends(trial, found), color=colour, alpha=0.3, linewidth=1.2)
    _front(found, axes)
    for trial in points:
        if trial.index == found.chosen:
            place = _place(trial, found)
            axes.scatter(*place, s=220, facecolors="none", edgecolors="black", linewidths=1.8, zorder=4)
            axes.annotate(
                f"chosen: trial {trial.index}",
                place,
                xytext=(0, 14),
                textcoords="offset points",
                ha="center",
                weight="bold",
            )
    _lines(found, points, axes)
    better = "higher" if found.greater_is_better else "lower"
    axes.set(xlabel="latency, ms (lower is better)", ylabel=f"{found.metric} ({better} is better)", title=found.cell)
    axes.margins(x=0.08, y=0.1)
    axes.grid(alpha=0.3)
    axes.legend(loc="best", framealpha=0.9)
    save(figure, [path])
    return len(points)


def _place(trial: Trial, found: Tuning) -> tuple[float, float]:
    assert trial.latency_ns is not None
    return trial.latency_ns / 1e6, trial.accuracy[found.metric]["value"]


def _ends(trial: Trial, found: Tuning) -> tuple[float, float]:
    """Return the ends of the interval; the point itself where there is none."""
    reading = trial.accuracy[found.metric]
    ends = (reading["difference"] if reading[end] is None else reading[end] for end in ("low", "high"))
    low, high = (reading["value"] - reading["difference"] + end for end in ends)
    return low, high


def _front(found: Tuning, axes: Axes) -> None:
    """Draw the front as steps, since no trial lies between two, each with how many ops fall back."""
    front = found.history.front(found.metric, found.greater_is_better)
    places = [_place(trial, found) for trial in front]
    axes.step(
        *zip(*places, strict=True),
        where="post",
        color="tab:blue",
        linewidth=1.2,
        label="Pareto front, ops that fall back",
    )
    for trial, place in zip(front, places, strict=True) if len(front) <= _MOST_NUMBERS else ():
        count = len(trial.recipe.fallback)
        axes.annotate(str(count), place, xytext=(6, -12), textcoords="offset points", fontsize=8, color="tab:blue")


def _lines(found: Tuning, points: list[Trial], axes: Axes) -> None:
    """Draw FP32's level, and how far below it the criterion allows."""
    assert found.baseline is not None
    loss = points[0].accuracy[found.metric]["allowed"]
    sign = 1 if found.greater_is_better else -1
    worst = found.baseline - sign * loss
    axes.axhline(found.baseline, color="grey", linewidth=1, label="FP32")
    axes.axhline(worst, color="grey", linewidth=1, linestyle="--", label="worst allowed")
    axes.axhspan(*sorted((found.baseline, worst)), color="tab:green", alpha=0.12, linewidth=0)
