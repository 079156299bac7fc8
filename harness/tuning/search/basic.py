"""The order of Neural Compressor 2.6's strategy ``basic``, over the same subjects, to compare evaluations with.

Its tuning space gives four recipes of activations; then each op falls back alone, from the last to the first, with a
full evaluation each; then ops fall back together, one more each time, best first (its class ``BasicTuneStrategy``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.tuning.history import Trial
from harness.tuning.recipe import Recipe
from harness.tuning.trials import Trials

RECIPES = 4


def search(trials: Trials, recipes: Sequence[Recipe]) -> None:
    """Evaluate the first four recipes, then all single fallbacks, then accumulated ones."""
    tried = [trials.attempt(recipe) for recipe in recipes[:RECIPES]]
    start = min(tried, key=_loss).recipe
    alone = {op: trials.attempt(start.falling_back([op])) for op in reversed(trials.subject.ops())}
    order = sorted(alone, key=lambda op: _loss(alone[op]))
    for length in range(2, len(order)):
        trials.attempt(start.falling_back(order[:length]))


def _loss(trial: Trial) -> float:
    return math.inf if trial.excess is None else trial.excess
