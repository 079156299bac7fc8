"""Which of the candidates that pass is best: latency, size, or what one measures oneself, all of them counted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from harness.errors import nearest
from harness.tuning.criterion import checked_weights
from harness.tuning.errors import TuningError

#: What every trial measures, by the seed's names: the field that holds it and whether more of it is better.
BUILT_IN = {"performance": "latency_ns", "modelsize": "size_bytes"}


class Measured(Protocol):
    """An evaluation or a trial."""

    @property
    def latency_ns(self) -> float | None:
        """The time of a pass over the timed rows."""

    @property
    def size_bytes(self) -> int | None:
        """The size of what would be stored."""

    @property
    def measured(self) -> Mapping[str, float]:
        """What objectives of one's own are about."""


@dataclass(frozen=True)
class Goal:
    """One thing to make better. Of the built-in ones less is better, since they are read as nanoseconds and bytes."""

    name: str
    greater_is_better: bool = False
    weight: float | None = None

    def reading(self, of: Measured) -> float | None:
        """Return what `of` has measured for this goal, or None."""
        if self.name in BUILT_IN:
            return getattr(of, BUILT_IN[self.name])
        return of.measured.get(self.name)


@dataclass(frozen=True)
class Objective:
    """Several goals as one number; see :func:`score`."""

    goals: tuple[Goal, ...] = (Goal("performance"),)

    def __post_init__(self) -> None:
        names = [goal.name for goal in self.goals]
        if not names:
            raise TuningError("objectives: want at least one, there is none")
        for goal in self.goals:
            if names.count(goal.name) > 1:
                raise TuningError(f"objectives: '{goal.name}' is there twice")
            if goal.name in BUILT_IN and goal.greater_is_better:
                raise TuningError(f"objective '{goal.name}': {BUILT_IN[goal.name]} is better when it is lower")
        checked_weights("objective", {goal.name: goal.weight for goal in self.goals})

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each goal, summing to 1; equal ones when none is given."""
        given = checked_weights("objective", {goal.name: goal.weight for goal in self.goals})
        return given or {goal.name: 1 / len(self.goals) for goal in self.goals}


def check_measured(objective: Objective, baseline: Measured) -> None:
    """Refuse a goal that FP32 has no positive reading of: nothing can be held against it.

    Raises
    ------
    TuningError : one line.
    """
    for goal in objective.goals:
        value = goal.reading(baseline)
        if value is None:
            valid = [*BUILT_IN, *baseline.measured]
            raise TuningError(f"objective '{goal.name}': nothing measures it{nearest(goal.name, valid)}")
        if not (math.isfinite(value) and value > 0):
            raise TuningError(f"objective '{goal.name}': FP32 has {value}; want a finite number above 0, for a ratio")


def score(objective: Objective, baseline: Measured, candidate: Measured) -> float:
    """Return the weighted geometric mean of the ratios to FP32, turned so that lower is better and FP32 has 1.

    Infinite when a reading is missing or is no positive number.
    """
    weights = objective.weights
    total = 0.0
    for goal in objective.goals:
        value, base = goal.reading(candidate), goal.reading(baseline)
        if value is None or base is None or not (math.isfinite(value) and value > 0):
            return math.inf
        log_ratio = math.log(value / base)
        total += weights[goal.name] * (-log_ratio if goal.greater_is_better else log_ratio)
    return math.exp(total)
