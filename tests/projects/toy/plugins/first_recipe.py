"""A search that tries the first recipe and no other."""

from __future__ import annotations

from collections.abc import Sequence

from harness.tuning.recipe import Recipe
from harness.tuning.trials import Trials


def search(trials: Trials, recipes: Sequence[Recipe]) -> None:
    """Evaluate the first recipe."""
    trials.attempt(recipes[0])
