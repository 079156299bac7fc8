"""How a model is to be quantized, in the seed's words; refused with one line when it cannot mean anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness.config import instructions
from harness.errors import nearest
from harness.host.describe import describe
from harness.optimization.metrics import Metric
from harness.optimization.objectives import Objective, performance
from harness.tuning.criterion import Criterion
from harness.tuning.errors import TuningError
from harness.tuning.objective import Objective as Combined
from harness.tuning.search.registry import search_of
from harness.tuning.trials import Limits

#: The seed's names of the approaches, and the method of an approach that each is.
APPROACHES = {
    "PostTrainingStatic": "static",
    "PostTrainingDynamic": "dynamic",
    "QuantizationAwareTraining": "qat",
}
FRAMEWORKS = ("pytorch",)

#: What the trainer puts before the names of its metrics.
PREFIX = "eval_"

_Part = TypeVar("_Part", Metric, Objective)


@dataclass(frozen=True)
class QuantizationConfig:
    """All that a trainer's ``quantize`` and :func:`harness.optimization.quantize` need to know.

    Parameters
    ----------
    approach : PostTrainingStatic, PostTrainingDynamic or QuantizationAwareTraining.
    timeout : seconds. 0 stops at the first trial that meets the criterion; above 0 the search goes on for so long, a
        trial under way is cut off, and the best is kept.
    max_trials : full evaluations at most, whatever the timeout.
    metrics : one or several; None where the evaluation gives a single number.
    objectives : one or several, all counted.
    strategy : sensitivity, or basic (Neural Compressor's order, to compare with).
    sampling_size : training rows that calibrate, exactly, the first in their own order.
    use_bf16 : whether what falls back runs in BF16 instead of FP32.
    reduce_range : whether activations are mapped to 7 bits, so that sums of two products fit into 16; None for where it
        is needed, which is where the host has no VNNI.
    history : a file that keeps every trial, from which an interrupted tuning goes on.

    Raises
    ------
    TuningError : one line on what was wrong.
    """

    framework: str = "pytorch"
    approach: str = "PostTrainingStatic"
    timeout: float = 0
    max_trials: int = 100
    metrics: Metric | Sequence[Metric] | None = None
    objectives: Objective | Sequence[Objective] = performance
    strategy: str = "sensitivity"
    sampling_size: int = 100
    use_bf16: bool = False
    reduce_range: bool | None = None
    history: str | Path | None = None

    def __post_init__(self) -> None:
        if self.framework not in FRAMEWORKS:
            raise TuningError(f"framework={self.framework!r}: no such framework{nearest(self.framework, FRAMEWORKS)}")
        if self.approach not in APPROACHES:
            raise TuningError(f"approach={self.approach!r}: no such approach{nearest(self.approach, APPROACHES)}")
        for name in ("max_trials", "sampling_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise TuningError(f"{name}={value!r}: want a whole number from 1")
        if isinstance(self.timeout, bool) or not isinstance(self.timeout, (int, float)):
            raise TuningError(f"timeout={self.timeout!r}: want a number of seconds from 0")
        if not isinstance(self.use_bf16, bool):
            raise TuningError(f"use_bf16={self.use_bf16!r}: want True or False")
        if self.reduce_range not in (None, True, False):
            raise TuningError(f"reduce_range={self.reduce_range!r}: want True, False or None")
        object.__setattr__(self, "metrics", _several("metrics", self.metrics, Metric))
        object.__setattr__(self, "objectives", _several("objectives", self.objectives, Objective))
        # Asked now for what they refuse, so that a mistake costs no calibration.
        self.objective()
        self.limits()
        search_of(self.strategy)
        if self.metrics:
            Criterion(tuple(metric.bound(metric.name) for metric in self.every_metric))

    @property
    def every_metric(self) -> tuple[Metric, ...]:
        """The metrics that count, none where none was named."""
        return _several("metrics", self.metrics, Metric)

    @property
    def every_objective(self) -> tuple[Objective, ...]:
        """The objectives, at least one."""
        return _several("objectives", self.objectives, Objective)

    @property
    def method(self) -> str:
        """The method of the approach: static, dynamic or qat."""
        return APPROACHES[self.approach]

    @property
    def narrows(self) -> bool:
        """Whether activations are mapped to 7 bits on this host."""
        if self.reduce_range is not None:
            return self.reduce_range
        return not instructions.has(describe().isa, instructions.VNNI)

    def limits(self) -> Limits:
        """Return how long the search may take."""
        return Limits(float(self.timeout), self.max_trials)

    def objective(self) -> Combined:
        """Return what the search makes better."""
        return Combined(tuple(objective.goal() for objective in self.every_objective))

    def criterion(self, values: Mapping[str, float]) -> Criterion:
        """Return what a candidate must keep of `values`, FP32's metrics by the evaluation's own names.

        Raises
        ------
        TuningError : a metric has no value, or none is named and there are several.
        """
        if not self.metrics:
            if len(values) != 1:
                raise TuningError(f"metrics: want a Metric for what counts of {', '.join(sorted(values)) or 'nothing'}")
            return Criterion((Metric(next(iter(values))).bound(next(iter(values))),))
        return Criterion(tuple(metric.bound(_named(metric.name, values)) for metric in self.every_metric))


def _named(name: str, values: Mapping[str, float]) -> str:
    for there in (name, f"{PREFIX}{name}"):
        if there in values:
            return there
    raise TuningError(f"metric '{name}': the evaluation has no such value{nearest(name, values)}")


def _several(field: str, given: object, kind: type[_Part]) -> tuple[_Part, ...]:
    if given is None and field == "metrics":
        return ()
    items = tuple(given) if isinstance(given, (list, tuple)) else (given,)
    if not items:
        raise TuningError(f"{field}: want at least one {kind.__name__}, there is none")
    for item in items:
        if not isinstance(item, kind):
            raise TuningError(f"{field}: {item!r} is no {kind.__name__}")
    return items
