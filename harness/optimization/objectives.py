"""What is best among the quantized models that keep their accuracy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.errors import nearest
from harness.optimization.metrics import require_number
from harness.tuning.errors import TuningError
from harness.tuning.objective import BUILT_IN, Goal

#: Whether more is better, by the seed's words: performance is speed, the model's size is a burden.
_DIRECTIONS = {"performance": True, "modelsize": False}


@dataclass(frozen=True)
class Objective:
    """Something to make better; several of them all count, as the weighted geometric mean of their ratios to FP32.

    Parameters
    ----------
    name : performance (the latency of a forward pass, warmed up, median of several runs), modelsize (bytes of weights
        and buffers), or a name of one's own with `measure`.
    greater_is_better : None for what the name implies, and True for a name of one's own.
    weight_ratio : a number from 0, for each objective or for none.
    measure : function of a model that returns a positive number.

    Raises
    ------
    TuningError : one line on what was wrong.
    """

    name: str
    greater_is_better: bool | None = None
    weight_ratio: float | None = None
    measure: Callable[[Any], float] | None = None

    def __post_init__(self) -> None:
        if self.measure is None and self.name not in BUILT_IN:
            hint = nearest(self.name, BUILT_IN)
            raise TuningError(f"Objective '{self.name}': no such objective and no measure={hint}")
        if self.measure is not None and (self.name in BUILT_IN or not callable(self.measure)):
            raise TuningError(f"Objective '{self.name}': measure: want a function, under a name of its own")
        implied = _DIRECTIONS.get(self.name, True)
        if self.greater_is_better is None:
            object.__setattr__(self, "greater_is_better", implied)
        elif not isinstance(self.greater_is_better, bool):
            raise TuningError(
                f"Objective '{self.name}': greater_is_better={self.greater_is_better!r}: want True or False"
            )
        elif self.name in _DIRECTIONS and self.greater_is_better != implied:
            raise TuningError(f"Objective '{self.name}': greater_is_better={self.greater_is_better}: want {implied}")
        if self.weight_ratio is not None:
            require_number(f"Objective '{self.name}': weight_ratio", self.weight_ratio)

    def goal(self) -> Goal:
        """Return the search's part for this objective. Speed is read as latency, of which less is better."""
        weight = None if self.weight_ratio is None else float(self.weight_ratio)
        return Goal(self.name, bool(self.greater_is_better) and self.name not in BUILT_IN, weight)


performance = Objective("performance")
modelsize = Objective("modelsize")
