"""Which metrics a quantized model is held to, and how much of each it may lose."""

from __future__ import annotations

from dataclasses import dataclass

from harness.tuning.criterion import Bound
from harness.tuning.errors import TuningError


@dataclass(frozen=True)
class Metric:
    """A metric by the name that the evaluation gives it, with or without the trainer's prefix ``eval_``.

    Parameters
    ----------
    greater_is_better : False for a loss-like metric, of which a rise is a loss.
    is_relative : whether `criterion` is a share of FP32's absolute value, else it is in the metric's own unit.
    criterion : the loss that is allowed; exactly this much is.
    weight_ratio : None for a metric that must hold by itself. With weights, the weighted mean of the losses must hold,
        each in units of its own criterion.

    Raises
    ------
    TuningError : one line on what was wrong.
    """

    name: str
    greater_is_better: bool = True
    is_relative: bool = True
    criterion: float = 0.01
    weight_ratio: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise TuningError(f"Metric: name={self.name!r}: want the name of a value of the evaluation")
        for field in ("greater_is_better", "is_relative"):
            if not isinstance(getattr(self, field), bool):
                raise TuningError(f"Metric '{self.name}': {field}={getattr(self, field)!r}: want True or False")
        require_number(f"Metric '{self.name}': criterion", self.criterion)
        if self.weight_ratio is not None:
            require_number(f"Metric '{self.name}': weight_ratio", self.weight_ratio)

    def bound(self, name: str) -> Bound:
        """Return the criterion's part for this metric, which the evaluation calls `name`."""
        weight = None if self.weight_ratio is None else float(self.weight_ratio)
        return Bound(name, float(self.criterion), self.is_relative, self.greater_is_better, weight)


def require_number(field: str, value: object) -> None:
    """Refuse what is no finite number from 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise TuningError(f"{field}={value!r}: want a finite number from 0")
