"""Our search: race recipes on a proxy, rank ops by what they cost, find the shortest fallback by bisection, trim it.

Full evaluations are what costs, so a model of N ops takes at most log2(N) + 3 of them for each recipe, and one when a
whole recipe passes. The proxy, the divergence of the logits on a few rows, orders recipes and ops; only evaluations
decide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.tuning.recipe import Recipe
from harness.tuning.trials import Trials


def search(trials: Trials, recipes: Sequence[Recipe]) -> None:
    """Explore recipes in the order of their divergence, each from the whole model to the ops that must fall back."""
    for recipe in raced(trials, recipes):
        _explore(trials, recipe)


def raced(trials: Trials, recipes: Sequence[Recipe]) -> list[Recipe]:
    """Return the recipes by divergence, least first."""
    return sorted(recipes, key=trials.divergence) if len(recipes) > 1 else list(recipes)


def ranked(trials: Trials, recipe: Recipe) -> list[str]:
    """Return the ops in the order in which they fall back: most divergence for the latency it saves first.

    An op's divergence is that of the model in which it alone is quantized. One that saves nothing comes before all.
    """
    ops = list(trials.subject.ops())

    def alone(op: str) -> float:
        divergence = trials.divergence(recipe.falling_back(other for other in ops if other != op))
        saving = _saving(trials, op)
        return divergence / saving if saving > 0 else math.inf

    costs = {op: alone(op) for op in ops}
    return sorted(ops, key=lambda op: -costs[op])


def _explore(trials: Trials, recipe: Recipe) -> None:
    if trials.attempt(recipe).status == "ok":
        return
    if any(trial.status == "ok" and not trial.recipe.fallback for trial in trials.history.trials):
        # Another recipe passes with every op quantized; falling back can only be slower.
        return
    order = ranked(trials, recipe)
    shortest = _climb(trials, recipe, order) if not trials.limits.timeout_seconds else _bisect(trials, recipe, order)
    if shortest < len(order):
        _trim(trials, recipe, order[:shortest], math.floor(math.log2(len(order))) + 2 - _halvings(len(order)))


def _bisect(trials: Trials, recipe: Recipe, order: list[str]) -> int:
    """Return the length of the shortest prefix of `order` that passes when it falls back; all of it is FP32."""
    fails, passes = 0, len(order)
    while passes - fails > 1:
        middle = (fails + passes) // 2
        if trials.attempt(recipe.falling_back(order[:middle])).status == "ok":
            passes = middle
        else:
            fails = middle
    return passes


def _climb(trials: Trials, recipe: Recipe, order: list[str]) -> int:
    """Let ever more ops fall back until one trial passes, which ends the search; return the length of `order`.

    The first that passes is the answer, so it must not be far too long: from below, each step halves the divergence of
    the last, and at least doubles its length, which bounds the steps by those of a bisection.
    """
    length, step = 0, 1
    divergence = trials.divergence(recipe)
    while length < len(order) - 1:
        length = max(_shortest_within(trials, recipe, order, divergence / 2, length + 1), step)
        length, step = min(length, len(order) - 1), 2 * step
        fallback = recipe.falling_back(order[:length])
        trials.attempt(fallback)
        divergence = trials.divergence(fallback)
    return len(order)


def _shortest_within(trials: Trials, recipe: Recipe, order: list[str], divergence: float, least: int) -> int:
    """Return the length, from `least`, at which the prefix leaves at most `divergence`, taken to fall with length."""
    low, high = least, len(order) - 1
    while low < high:
        middle = (low + high) // 2
        if trials.divergence(recipe.falling_back(order[:middle])) <= divergence:
            high = middle
        else:
            low = middle + 1
    return low


def _trim(trials: Trials, recipe: Recipe, fallback: list[str], attempts: int) -> None:
    """Quantize again what the prefix lets fall back without need, in at most `attempts` trials.

    An op whose return leaves the divergence below that of the prefix known to fail is worth trying; all such at once,
    and half of them after a failure. The last op of the prefix is needed: without it the trial failed.
    """
    failing = trials.divergence(recipe.falling_back(fallback[:-1]))
    returned: list[str] = []
    for op in reversed(fallback[:-1]):
        kept = [other for other in fallback if other not in (*returned, op)]
        if _saving(trials, op) > 0 and trials.divergence(recipe.falling_back(kept)) < failing:
            returned.append(op)
    for _ in range(attempts):
        if not returned:
            return
        kept = [op for op in fallback if op not in returned]
        if trials.attempt(recipe.falling_back(kept)).status == "ok":
            return
        returned = returned[: len(returned) // 2]


def _saving(trials: Trials, op: str) -> float:
    saving = getattr(trials.subject, "saving", None)
    return 1.0 if saving is None else float(saving(op))


def _halvings(ops: int) -> int:
    """Return the evaluations that a bisection among `ops` prefixes takes at most."""
    return math.ceil(math.log2(ops))
