"""When does a candidate pass? Metrics with tolerances, held against FP32 on the same rows.

A loss is FP32's value minus the candidate's, or the other way round where lower is better. A bound allows a loss of its
tolerance: in the metric's own unit, or, if relative, as a share of FP32's absolute value, so that a negative
correlation gets a tolerance and not a demand. A loss of exactly what is allowed passes, everywhere. Without weights
every bound must hold. With weights the weighted mean of the losses must, each in units of what its bound allows: a
metric may lose more where another loses less.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.errors import nearest
from harness.tuning.errors import TuningError
from harness.tuning.paired import difference_interval, mean_interval
from harness.tuning.subject import Evaluated

#: A loss counts as what is allowed when it differs by no more than double precision blurs the values it is made of.
_BLUR = 1e-12


@dataclass(frozen=True)
class Bound:
    """How much one metric may lose."""

    metric: str
    tolerance: float = 0.01
    relative: bool = True
    greater_is_better: bool = True
    weight: float | None = None

    def allowed(self, baseline: float) -> float:
        """Return the loss that is allowed, in the metric's unit."""
        return self.tolerance * abs(baseline) if self.relative else self.tolerance

    def loss(self, difference: float) -> float:
        """Return the loss that a difference (candidate minus FP32) is."""
        return -difference if self.greater_is_better else difference


@dataclass(frozen=True)
class Criterion:
    """What a candidate must keep; refused with one line when it cannot mean anything."""

    bounds: tuple[Bound, ...]

    def __post_init__(self) -> None:
        names = [bound.metric for bound in self.bounds]
        if not names:
            raise TuningError("metrics: want at least one, there is none")
        for name in names:
            if names.count(name) > 1:
                raise TuningError(f"metrics: '{name}' is there twice")
        for bound in self.bounds:
            if not (math.isfinite(bound.tolerance) and bound.tolerance >= 0):
                raise TuningError(f"metric '{bound.metric}': criterion={bound.tolerance}: want a finite number from 0")
        weights = checked_weights("metric", {bound.metric: bound.weight for bound in self.bounds})
        if weights is None:
            return
        for bound in self.bounds:
            if bound.tolerance == 0:
                raise TuningError(f"metric '{bound.metric}': criterion=0 has no unit to weigh a loss in; leave weights")

    @property
    def weights(self) -> dict[str, float] | None:
        """The weight of each metric, summing to 1, or None."""
        return checked_weights("metric", {bound.metric: bound.weight for bound in self.bounds})


@dataclass(frozen=True)
class Reading:
    """One metric of a candidate. `low` and `high` are the ends of the interval of `difference`, None without one."""

    value: float
    difference: float
    allowed: float
    low: float | None
    high: float | None
    state: str


@dataclass(frozen=True)
class Judgement:
    """`state` is met, failed or undecided by the intervals; `excess` goes by the estimates alone.

    It is by how much the criterion is missed, in units of what is allowed: 0 or less when it passes.
    """

    readings: Mapping[str, Reading]
    state: str
    excess: float

    @property
    def passes(self) -> bool:
        """Whether the criterion holds by the estimates."""
        return self.excess <= 0


def checked_weights(kind: str, given: Mapping[str, float | None]) -> dict[str, float] | None:
    """Return weights that sum to 1, or None when none is given; half given or meaningless ones are refused."""
    weights = {name: weight for name, weight in given.items() if weight is not None}
    if not weights:
        return None
    for name in given:
        if name not in weights:
            raise TuningError(f"{kind} '{name}': weight_ratio is missing; give one to each {kind} or to none")
        if not (math.isfinite(weights[name]) and weights[name] >= 0):
            raise TuningError(f"{kind} '{name}': weight_ratio={weights[name]}: want a finite number from 0")
    total = sum(weights.values())
    if total <= 0:
        raise TuningError(f"weight_ratio: every {kind} has 0; want a sum above 0")
    return {name: weight / total for name, weight in weights.items()}


def check_baseline(criterion: Criterion, values: Mapping[str, float]) -> None:
    """Refuse FP32 values that the criterion means nothing on: a metric missing, not finite, or 0 with a relative bound.

    Raises
    ------
    TuningError : one line.
    """
    for bound in criterion.bounds:
        if bound.metric not in values:
            raise TuningError(
                f"metric '{bound.metric}': the evaluation has no such value{nearest(bound.metric, values)}"
            )
        value = values[bound.metric]
        if not math.isfinite(value):
            raise TuningError(f"metric '{bound.metric}': FP32 has {value}; want a finite number")
        if bound.relative and value == 0:
            raise TuningError(
                f"metric '{bound.metric}': FP32 has 0, of which no share can be lost; "
                "want is_relative=False with criterion in the metric's unit"
            )


def excess(criterion: Criterion, baseline: Mapping[str, float], differences: Mapping[str, float]) -> float:
    """Return by how much the criterion is missed, in units of what is allowed; 0 or less when it holds.

    Parameters
    ----------
    differences : candidate minus FP32, each metric.
    """
    weights = criterion.weights
    if weights is None:
        return max(_missed(bound, baseline[bound.metric], differences[bound.metric]) for bound in criterion.bounds)
    missed, blur = -1.0, 0.0
    for bound in criterion.bounds:
        base, difference = baseline[bound.metric], differences[bound.metric]
        missed += weights[bound.metric] * bound.loss(difference) / bound.allowed(base)
        blur = max(blur, _blur(bound, base, difference) / bound.allowed(base))
    return _settled(missed, blur)


def judge(criterion: Criterion, baseline: Evaluated, evaluated: Evaluated, confidence: float = 0.95) -> Judgement:
    """Hold an evaluation against FP32; paired on the same rows wherever both have scores."""
    readings = {}
    for bound in criterion.bounds:
        value, base = evaluated.values[bound.metric], baseline.values[bound.metric]
        pair = _pair(bound.metric, baseline.scores, evaluated.scores)
        ends = difference_interval(*pair, confidence) if pair else None
        difference = float(np.mean(pair[0]) - np.mean(pair[1])) if pair else value - base
        low, high = ends or (None, None)
        allowed = bound.allowed(base)
        readings[bound.metric] = Reading(value, difference, allowed, low, high, _state(bound, allowed, low, high))
    missed = excess(criterion, baseline.values, {name: reading.difference for name, reading in readings.items()})
    return Judgement(readings, _together(criterion, baseline, evaluated, readings, confidence), missed)


def _together(
    criterion: Criterion, baseline: Evaluated, evaluated: Evaluated, readings: Mapping[str, Reading], confidence: float
) -> str:
    weights = criterion.weights
    if weights is None:
        states = [reading.state for reading in readings.values()]
        if "failed" in states:
            return "failed"
        return "met" if set(states) == {"met"} else "undecided"
    combined: np.ndarray | None = None
    for bound in criterion.bounds:
        pair = _pair(bound.metric, baseline.scores, evaluated.scores)
        if pair is None or (combined is not None and len(pair[0]) != len(combined)):
            return "undecided"
        part = weights[bound.metric] * bound.loss(1.0) * (pair[0] - pair[1]) / readings[bound.metric].allowed
        combined = part if combined is None else combined + part
    ends = None if combined is None else mean_interval(combined, confidence)
    if ends is None:
        return "undecided"
    return "met" if ends[1] <= 1 else "failed" if ends[0] > 1 else "undecided"


def _missed(bound: Bound, baseline: float, difference: float) -> float:
    allowed = bound.allowed(baseline)
    unit = allowed or abs(baseline) or 1.0
    return _settled((bound.loss(difference) - allowed) / unit, _blur(bound, baseline, difference) / unit)


def _blur(bound: Bound, baseline: float, difference: float) -> float:
    return _BLUR * max(abs(baseline), abs(baseline + difference), bound.allowed(baseline))


def _settled(missed: float, blur: float) -> float:
    """Return `missed`, or 0 where it is above 0 by less than values can tell; infinity where it is no number."""
    if not math.isfinite(missed):
        return math.inf
    return missed if missed <= 0 or missed > blur else 0.0


def _state(bound: Bound, allowed: float, low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "undecided"
    least, most = sorted((bound.loss(low), bound.loss(high)))
    return "met" if most <= allowed else "failed" if least > allowed else "undecided"


def _pair(
    metric: str, baseline: Mapping[str, np.ndarray], scores: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the scores of candidate and FP32 on the rows that the candidate saw, or None where a side has none."""
    if metric not in scores or metric not in baseline or not 0 < len(scores[metric]) <= len(baseline[metric]):
        return None
    seen = np.asarray(scores[metric], np.float64)
    return seen, np.asarray(baseline[metric], np.float64)[: len(seen)]
