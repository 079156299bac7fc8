"""Which cells a tuner that comes with a framework can tune. Asked in the parent, so it imports no framework."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.backends.base import AUTOTUNE, backend_class

if TYPE_CHECKING:
    from harness.config.cell import Cell

#: By the names of their configs. Which backends have them, each backend says (:attr:`Backend.external_tuners`).
TUNERS = {"inc": "Neural Compressor", "nncf": "NNCF"}

#: The environment with the package ``evaluate``, in which a metric of a hub is scored.
_SCORES_ALL = "torch"


def is_external(cell: Cell) -> bool:
    """Return whether the cell's tuner comes with a framework."""
    return cell.tuner.name in TUNERS


def unsupported(cell: Cell) -> str | None:
    """Return one line on why such a tuner cannot tune the cell on its backend, or None."""
    tuner, approach, task, backend = cell.tuner, cell.approach, cell.task, cell.backend
    name, offered = TUNERS[tuner.name], backend_class(backend.name).external_tuners.get(tuner.name)
    if offered is None:
        return f"tuner={tuner.name}: {name} does not tune what backend {backend.name} runs"
    if tuner.strategy not in offered.strategies:
        return f"tuner.strategy={tuner.strategy}: {name} has {', '.join(offered.strategies)} for backend {backend.name}"
    if tuner.strategy in offered.fails:
        return f"tuner.strategy={tuner.strategy}: {offered.fails[tuner.strategy]}"
    if tuner.options:
        return f"tuner.options: {', '.join(tuner.options)} mean nothing to tuner {tuner.name}"
    if approach.method != "static":
        return f"tuner={tuner.name}: tunes method static here, not {approach.method}"
    if offered.by_channel_alone and approach.weight.granularity != "per_channel":
        return f"approach.weight.granularity={approach.weight.granularity}: {name} maps weights by channel alone here"
    if tuner.name == "inc" and approach.weight.reduce_range:
        return f"approach.weight.reduce_range: {name} maps weights to 8 bits alone"
    if tuner.strategy in AUTOTUNE and approach.activation.reduce_range:
        return f"approach.activation.reduce_range: {name}'s autotune maps activations to 8 bits alone"
    if approach.fallback:
        return f"approach.fallback: tuner {tuner.name} chooses what falls back; want none"
    if not task.is_right_or_wrong and backend.environment != _SCORES_ALL:
        return f"task.metric={task.metric}: in environment {backend.environment} a tuner scores accuracy alone"
    return None
