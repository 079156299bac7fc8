"""The picture of a tuning: each trial's accuracy against its latency, the Pareto front, and the chosen one."""

from __future__ import annotations

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from harness.errors import UserError
from harness.publish.trials import Tuning
from harness.tuning.history import Trial

SUFFIXES = (".svg", ".png")

_COLOURS = {"ok": "tab:green", "inaccurate": "tab:orange"}


def draw(found: Tuning, path: Path) -> int:
    """Write the picture as SVG or PNG, by the ending of `path`; return how many trials have a place in it.

    The same trials give the same SVG, byte for byte.

    Raises
    ------
    UserError : another ending, no trial with accuracy and latency, or a folder that cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"picture {path}: want a name that ends in {' or '.join(SUFFIXES)}")
    points = [trial for trial in found.history.trials if found.metric in trial.accuracy and trial.latency_ns]
    if not points:
        raise UserError(f"cell {found.cell}: no trial has both accuracy and latency, so there is no picture")
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for status, colour in _COLOURS.items():
        chosen = [trial for trial in points if trial.status == status]
        if chosen:
            places = zip(*(_place(trial, found) for trial in chosen), strict=True)
            axes.scatter(*places, color=colour, s=28, zorder=3, label=f"{status} ({len(chosen)})")
    front = found.history.front(found.metric, found.greater_is_better)
    axes.plot(*zip(*(_place(trial, found) for trial in front), strict=True), color="tab:blue", label="Pareto front")
    for trial in points:
        if trial.index == found.chosen:
            place = _place(trial, found)
            axes.scatter(*place, s=220, facecolors="none", edgecolors="black", linewidths=1.8, zorder=4, label="chosen")
            axes.annotate(f"trial {trial.index}", place, xytext=(10, 8), textcoords="offset points")
    _lines(found, points, axes)
    axes.set(xlabel="latency, ms", ylabel=found.metric, title=found.cell)
    axes.grid(alpha=0.3)
    axes.legend()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Ids of an SVG are random and it has a date, unless told otherwise.
        with rc_context({"svg.hashsalt": "harness"}):
            figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)
    except OSError as error:
        raise UserError(f"picture {path}: cannot be written: {error.strerror}") from error
    return len(points)


def _place(trial: Trial, found: Tuning) -> tuple[float, float]:
    assert trial.latency_ns is not None
    return trial.latency_ns / 1e6, trial.accuracy[found.metric]["value"]


def _lines(found: Tuning, points: list[Trial], axes) -> None:
    """Draw FP32's level, and the level that the criterion allows."""
    assert found.baseline is not None
    loss = points[0].accuracy[found.metric]["allowed"]
    sign = 1 if found.greater_is_better else -1
    axes.axhline(found.baseline, color="grey", linewidth=1, label="FP32")
    axes.axhline(found.baseline - sign * loss, color="grey", linewidth=1, linestyle="--", label="allowed")
