"""Which cells a backend can tune, for reasons that all backends share. Asked in the parent: imports no framework."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import registry
from harness.backends.common import external_tuners
from harness.errors import nearest

if TYPE_CHECKING:
    from harness.config.cell import Cell


def unsupported_tuner(cell: Cell, tunes: bool) -> str | None:
    """Return one line on why a backend cannot tune the cell, or None; `tunes` says whether it has candidates at all."""
    tuner, approach = cell.tuner, cell.approach
    if external_tuners.is_external(cell):
        return external_tuners.unsupported(cell)
    if not tunes:
        return f"tuner={tuner.name}: this backend quantizes once, with the approach's own recipe"
    if tuner.strategy not in registry.SEARCHES.names():
        there = registry.SEARCHES.names()
        return f"tuner.strategy={tuner.strategy}: no such search{nearest(str(tuner.strategy), there)}"
    if tuner.options:
        return f"tuner.options: {', '.join(tuner.options)} mean nothing to strategy {tuner.strategy}"
    if approach.method not in ("dynamic", "static"):
        return f"tuner={tuner.name}: tunes methods dynamic and static, not {approach.method}"
    if approach.fallback:
        return f"approach.fallback: tuner {tuner.name} chooses what falls back; want none"
    if approach.weight.observer != "minmax":
        return f"approach.weight.observer={approach.weight.observer}: tuner {tuner.name} takes weights by minmax"
    return None


def unscored(cell: Cell) -> str | None:
    """Return one line on why a tuner cannot score the cell in an environment without the package evaluate, or None."""
    task = cell.task
    if cell.tuner.name == "none" or task.is_right_or_wrong:
        return None
    return f"tuner={cell.tuner.name}: tunes by accuracy alone here, for metric {task.metric} needs another environment"
