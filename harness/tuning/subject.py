"""What a search needs of the thing it tunes, whatever framework that is in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from harness.tuning.recipe import Recipe

#: Asked with the scores of the rows evaluated so far, answers whether the rest can change the outcome no more.
Decided = Callable[[Mapping[str, np.ndarray]], bool]


@dataclass(frozen=True)
class Evaluated:
    """One full evaluation, of FP32 or of a candidate.

    `values` are the metrics. `scores` holds, for each metric that is a mean over rows, the score of each row in the
    order of evaluation, shape (rows,); with it the decision is a paired test. A metric without scores is judged by its
    value alone. `measured` holds what objectives of one's own are about.
    """

    values: Mapping[str, float]
    rows: int | None = None
    latency_ns: float | None = None
    size_bytes: int | None = None
    measured: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, np.ndarray] = field(default_factory=dict)


class Subject(Protocol):
    """A model that any recipe can be tried on. An exception of `evaluate` is a failed trial, of `divergence` infinity.

    It may have a method ``saving(op) -> float`` as well: the latency that quantizing `op` alone saves, in any unit that
    is the same for all ops; 0 or less for an op that is not worth quantizing. Without it all ops save the same.
    Where :meth:`evaluate` is of a stand-in that is made sooner, ``confirm(recipe, decided) -> Evaluated | None``
    evaluates what it stands for; asked where the stand-in has passed, and judged in its place unless None.
    """

    def ops(self) -> Sequence[str]:
        """Return the names of the ops that can be quantized, in the order of the model."""
        ...

    def baseline(self) -> Evaluated:
        """Evaluate FP32."""
        ...

    def divergence(self, recipe: Recipe) -> float:
        """Return how far the recipe's outputs are from FP32's on a few rows: cheap, deterministic, 0 for FP32."""
        ...

    def evaluate(self, recipe: Recipe, decided: Decided) -> Evaluated:
        """Evaluate a candidate; may end early when `decided` says so, with the scores of the rows it saw."""
        ...


class Keeping(Subject, Protocol):
    """The subject of an external tuner, whose models cannot be made again from their recipes."""

    def keep(self, recipe: Recipe) -> None:
        """Have the model of a recipe that was evaluated stay, in the place of the one kept before."""
        ...
