"""Tuners that come with a framework, and which cells each can tune. Asked in the parent, so it imports no framework."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.plan.cell import Cell

#: By the names of their configs.
TUNERS = {"inc": "Neural Compressor", "nncf": "NNCF"}

#: Of Neural Compressor 2.x, and of 3.x, which has one search.
_FIT = ("basic", "bayesian", "mse", "mse_v2")
_AUTOTUNE = ("autotune",)

#: Tuner and backend -> the strategies there are.
OFFERS = {
    ("inc", "fx"): _FIT,
    ("inc", "ipex"): _FIT,
    ("inc", "intel_tensorflow"): _FIT,
    ("inc", "itex"): _FIT,
    ("inc", "tensorflow"): _AUTOTUNE,
    ("inc", "pt2e"): _AUTOTUNE,
    ("nncf", "openvino"): ("accuracy_control",),
}

#: Backends for whose linear layers Neural Compressor knows weights by channel alone; it passes over what it is told.
_BY_CHANNEL = ("fx", "ipex")

#: Tuner, backend and strategy -> why it does not run, as it was tried.
FAILS = {
    (
        "inc",
        "fx",
        "mse",
    ): "Neural Compressor's mse fails in its own analysis: it loses outputs of layers of a traced graph",
    ("inc", "ipex", "mse"): "Neural Compressor's mse cannot look at the tensors inside a model of IPEX",
    ("inc", "ipex", "mse_v2"): "Neural Compressor has no mse_v2 for IPEX, and would run basic in its place",
}

#: The environment with the package ``evaluate``, in which any metric is scored.
_SCORES_ALL = "torch"


def is_foreign(cell: Cell) -> bool:
    """Return whether the cell's tuner comes with a framework."""
    return cell.tuner.name in TUNERS


def unsupported(cell: Cell) -> str | None:
    """Return one line on why such a tuner cannot tune the cell on its backend, or None."""
    tuner, approach, task, backend = cell.tuner, cell.approach, cell.task, cell.backend
    name, strategies = TUNERS[tuner.name], OFFERS.get((tuner.name, backend.name), ())
    if not strategies:
        return f"tuner={tuner.name}: {name} does not tune what backend {backend.name} runs"
    if tuner.strategy not in strategies:
        return f"tuner.strategy={tuner.strategy}: {name} has {', '.join(strategies)} for backend {backend.name}"
    because = FAILS.get((tuner.name, backend.name, tuner.strategy))
    if because is not None:
        return f"tuner.strategy={tuner.strategy}: {because}"
    if tuner.options:
        return f"tuner.options: {', '.join(tuner.options)} mean nothing to tuner {tuner.name}"
    if approach.method != "static":
        return f"tuner={tuner.name}: tunes method static here, not {approach.method}"
    if tuner.name == "inc" and backend.name in _BY_CHANNEL and approach.weight.granularity != "per_channel":
        return f"approach.weight.granularity={approach.weight.granularity}: {name} maps weights by channel alone here"
    if tuner.name == "inc" and approach.weight.reduce_range:
        return f"approach.weight.reduce_range: {name} maps weights to 8 bits alone"
    if tuner.strategy in _AUTOTUNE and approach.activation.reduce_range:
        return f"approach.activation.reduce_range: {name}'s autotune maps activations to 8 bits alone"
    if approach.fallback:
        return f"approach.fallback: tuner {tuner.name} chooses what falls back; want none"
    if not task.is_right_or_wrong and backend.environment != _SCORES_ALL:
        return f"task.metric={task.metric}: in environment {backend.environment} a tuner scores accuracy alone"
    return None
