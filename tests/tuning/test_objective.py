"""Several goals count all together, against FP32, each with its weight."""

from __future__ import annotations

import math

import pytest

from harness.tuning.errors import TuningError
from harness.tuning.objective import Goal, Objective, check_measured, score
from harness.tuning.subject import Evaluated


def measured(latency: float | None = 100.0, size: int | None = 1000, **own: float) -> Evaluated:
    return Evaluated({}, latency_ns=latency, size_bytes=size, measured=own)


FP32 = measured(energy=5.0, rows=50.0)


@pytest.mark.parametrize(
    ("goals", "candidate", "wanted"),
    [
        ((Goal("performance"),), measured(50.0), 0.5),
        ((Goal("modelsize"),), measured(50.0, 250), 0.25),
        ((Goal("performance"), Goal("modelsize")), measured(50.0, 125), math.sqrt(0.5 * 0.125)),
        ((Goal("performance", weight=3), Goal("modelsize", weight=1)), measured(50.0, 250), 0.5**0.75 * 0.25**0.25),
        ((Goal("performance", weight=0), Goal("modelsize", weight=2)), measured(50.0, 250), 0.25),
        ((Goal("energy"),), measured(energy=10.0), 2.0),
        ((Goal("rows", greater_is_better=True),), measured(rows=100.0), 0.5),
        ((Goal("performance"),), measured(None), math.inf),
        ((Goal("energy"),), measured(), math.inf),
    ],
)
def test_the_score_is_the_weighted_geometric_mean_of_ratios_to_fp32(goals, candidate, wanted: float) -> None:
    assert score(Objective(goals), FP32, candidate) == pytest.approx(wanted)
    assert score(Objective(goals), FP32, FP32) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("goals", "line"),
    [
        ((), "objectives: want at least one"),
        ((Goal("performance"), Goal("performance")), "'performance' is there twice"),
        ((Goal("modelsize", greater_is_better=True),), "size_bytes is better when it is lower"),
        ((Goal("performance", weight=1), Goal("modelsize")), "objective 'modelsize': weight_ratio is missing"),
        ((Goal("performance", weight=0),), "every objective has 0"),
        ((Goal("performance", weight=math.nan),), "weight_ratio=nan"),
    ],
)
def test_goals_that_cannot_be_meant_are_refused(goals, line: str) -> None:
    with pytest.raises(TuningError, match=line):
        Objective(goals)


@pytest.mark.parametrize(
    ("goal", "baseline", "line"),
    [
        (Goal("performence"), FP32, "nothing measures it; did you mean 'performance'"),
        (Goal("performance"), measured(None), "objective 'performance': nothing measures it"),
        (Goal("energy"), measured(energy=0.0), "FP32 has 0.0; want a finite number above 0"),
        (Goal("energy"), measured(energy=-1.0), "FP32 has -1.0"),
    ],
)
def test_what_fp32_has_no_reading_of_is_refused(goal: Goal, baseline: Evaluated, line: str) -> None:
    with pytest.raises(TuningError, match=line):
        check_measured(Objective((goal,)), baseline)
