"""Subjects of a search whose truth is known: the loss of a model is the sum of what its quantized ops lose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from harness.tuning.criterion import Bound, Criterion
from harness.tuning.recipe import Recipe
from harness.tuning.subject import Decided, Evaluated

BASELINE = 0.9
RECIPE = Recipe({"method": "static", "observer": "minmax"})

#: Passes while the ops that stay quantized lose at most 0.01.
CRITERION = Criterion((Bound("accuracy", 0.01, relative=False),))


class Additive:
    """Each op loses so much accuracy and saves so much latency; `before` is called before each evaluation."""

    def __init__(
        self,
        losses: Mapping[str, float],
        savings: Mapping[str, float] | None = None,
        factors: Mapping[str, float] | None = None,
        before: Callable[[Recipe], None] = lambda recipe: None,
    ):
        self.losses = dict(losses)
        self.savings = dict(savings) if savings else dict.fromkeys(losses, 1.0)
        self.factors = factors or {}
        self.before = before
        self.evaluated: list[Recipe] = []

    def ops(self) -> Sequence[str]:
        return list(self.losses)

    def saving(self, op: str) -> float:
        return self.savings[op]

    def baseline(self) -> Evaluated:
        return Evaluated({"accuracy": BASELINE}, rows=100, latency_ns=self._latency(set()), size_bytes=1000)

    def divergence(self, recipe: Recipe) -> float:
        return self._loss(recipe)

    def evaluate(self, recipe: Recipe, decided: Decided) -> Evaluated:
        self.evaluated.append(recipe)
        self.before(recipe)
        quantized = set(self.losses) - set(recipe.fallback)
        value = BASELINE - self._loss(recipe)
        return Evaluated({"accuracy": value}, 100, self._latency(quantized), 1000 - len(quantized))

    def _loss(self, recipe: Recipe) -> float:
        factor = self.factors.get(recipe.approach.get("observer"), 1.0)
        return factor * float(np.sum([loss for op, loss in self.losses.items() if op not in recipe.fallback]))

    def _latency(self, quantized: set[str]) -> float:
        return 10 + 2 * sum(self.savings.values()) - sum(self.savings[op] for op in quantized)


def planted(ops: int, bad: Sequence[int], each: float = 0.05, harmless: float = 1e-6) -> dict[str, float]:
    """Return losses of ops of which those numbered `bad` lose `each`, and all others together nearly nothing."""
    return {f"op{number}": each if number in bad else harmless for number in range(ops)}
