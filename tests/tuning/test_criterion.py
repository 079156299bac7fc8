"""Each corner of "does it pass?": both directions, both kinds, the bound itself, weights, intervals and early ends."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.predictions import accuracy
from harness.tuning.criterion import Bound, Criterion, check_baseline, excess, judge
from harness.tuning.early_stopping import EarlyStopping
from harness.tuning.errors import TuningError
from harness.tuning.paired import difference_interval
from harness.tuning.subject import Evaluated


def passes(bounds: list[Bound], baseline: dict[str, float], values: dict[str, float]) -> bool:
    return judge(Criterion(tuple(bounds)), Evaluated(baseline), Evaluated(values)).passes


@pytest.mark.parametrize(
    ("bound", "baseline", "at_the_bound", "beyond"),
    [
        (Bound("m", 0.01), 0.9, 0.891, 0.8909),
        (Bound("m", 0.01, relative=False), 0.9, 0.89, 0.8899),
        (Bound("m", 0.01, greater_is_better=False), 34.0, 34.34, 34.35),
        (Bound("m", 0.5, relative=False, greater_is_better=False), 34.0, 34.5, 34.51),
        # A share of a negative baseline's size is still a loss that is allowed, not a gain that is demanded.
        (Bound("m", 0.1), -0.5, -0.55, -0.56),
        (Bound("m", 0.1, greater_is_better=False), -0.5, -0.45, -0.44),
        (Bound("m", 0.01, relative=False), 0.0, -0.01, -0.02),
        (Bound("m", 0.01, relative=False), -0.2, -0.21, -0.22),
        (Bound("m", 0.0), 0.9, 0.9, 0.8999),
        (Bound("m", 0.0, relative=False, greater_is_better=False), 0.0, 0.0, 1e-6),
    ],
)
def test_a_loss_of_what_is_allowed_passes_and_more_does_not(
    bound: Bound, baseline: float, at_the_bound: float, beyond: float
) -> None:
    assert passes([bound], {"m": baseline}, {"m": at_the_bound})
    assert not passes([bound], {"m": baseline}, {"m": beyond})
    assert passes([bound], {"m": baseline}, {"m": baseline})


@given(
    baseline=st.floats(0.01, 100) | st.floats(-100, -0.01),
    percent=st.integers(0, 50),
    relative=st.booleans(),
    greater=st.booleans(),
)
def test_the_bound_itself_passes_whatever_rounding_does(baseline: float, percent: int, relative, greater) -> None:
    bound = Bound("m", percent / 100, relative, greater)
    allowed = percent / 100 * (abs(baseline) if relative else 1)
    sign = 1 if greater else -1
    assert passes([bound], {"m": baseline}, {"m": baseline - sign * allowed})
    assert not passes([bound], {"m": baseline}, {"m": baseline - sign * (allowed + 1e-6 * max(1, abs(baseline)))})
    assert passes([bound], {"m": baseline}, {"m": baseline + sign * 5})


def test_it_agrees_with_the_criterion_of_finished_cells() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        reference = generator.integers(0, 2, 300)
        base = np.where(generator.random(300) < 0.1, 1 - reference, reference)
        cell = np.where(generator.random(300) < generator.choice([0.01, 0.05, 0.2]), 1 - base, base)
        difference = accuracy.paired_difference("accuracy", cell, base, reference)
        scores = [(side == reference).astype(float) for side in (base, cell)]
        baseline, evaluated = (Evaluated({"m": float(s.mean())}, scores={"m": s}) for s in scores)
        wanted = accuracy.criterion(difference, baseline.values["m"], 0.05)
        found = judge(Criterion((Bound("m", 0.05),)), baseline, evaluated)
        assert (found.state, found.passes) == (wanted.state, wanted.within)


def test_the_interval_of_means_covers_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    hits = 0
    for _ in range(1000):
        base = generator.gamma(2.0, 1.0, 200)
        low, high = difference_interval(base + generator.normal(0.3, 1.0, 200), base, 0.9)
        hits += low <= 0.3 <= high
    assert 0.87 <= hits / 1000 <= 0.93


def test_few_rows_and_rows_all_alike_have_no_interval() -> None:
    assert difference_interval(np.arange(29.0), np.zeros(29), 0.95) is None
    assert difference_interval(np.full(100, 2.5), np.full(100, 2.0), 0.95) is None


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_a_few_rows_that_moved_do_not_show_how_far_the_next_one_will(moved: int) -> None:
    """Of a hundred rows: that one more in fifty will be lost is not excluded."""
    base = np.random.default_rng(2).uniform(0.5, 1.0, 100)
    cell = np.where(np.arange(100) < moved, 0.0, base)
    low, high = difference_interval(cell, base, 0.95)
    assert low < -0.02 * 0.75 - float(np.mean(base - cell)) and high >= 0
    bound = Criterion((Bound("m", 0.01),))
    baseline, evaluated = (Evaluated({"m": float(one.mean())}, scores={"m": one}) for one in (base, cell))
    assert judge(bound, baseline, evaluated).state == "undecided"


def test_without_weights_every_metric_must_hold() -> None:
    bounds = [Bound("a", 0.01), Bound("b", 0.01, greater_is_better=False)]
    baseline = {"a": 0.9, "b": 2.0}
    assert passes(bounds, baseline, {"a": 0.895, "b": 2.01})
    assert not passes(bounds, baseline, {"a": 0.95, "b": 2.1})
    assert not passes(bounds, baseline, {"a": 0.8, "b": 1.5})


def test_with_weights_the_weighted_mean_of_the_losses_must_hold() -> None:
    baseline = {"a": 0.9, "b": 0.5}

    def weighted(a: float, b: float) -> list[Bound]:
        return [Bound("a", 0.1, False, weight=a), Bound("b", 0.01, False, weight=b)]

    # `a` loses nothing, `b` twice what is allowed: the mean is 2 b / (a + b).
    lost = {"a": 0.9, "b": 0.48}
    assert passes(weighted(1, 1), baseline, lost)
    assert passes(weighted(30, 10), baseline, lost)
    assert not passes(weighted(1, 3), baseline, lost)
    assert not passes(weighted(0, 1), baseline, lost)
    assert passes(weighted(1, 0), baseline, lost)
    assert not passes([dataclasses.replace(bound, weight=None) for bound in weighted(1, 1)], baseline, lost)


def test_weights_scale_out() -> None:
    baseline, values = {"a": 0.9, "b": 0.5}, {"a": -0.03, "b": -0.002}
    one, other = (Criterion((Bound("a", 0.1, weight=w), Bound("b", 0.01, False, weight=3 * w))) for w in (0.25, 10.0))
    assert excess(one, baseline, values) == pytest.approx(excess(other, baseline, values))


def test_a_weighted_criterion_is_decided_on_the_rows_too() -> None:
    generator = np.random.default_rng(2)
    base = {name: (generator.random(2000) < 0.9).astype(float) for name in "ab"}
    criterion = Criterion((Bound("a", 0.05, False, weight=1), Bound("b", 0.05, False, weight=1)))

    def state(share: float) -> str:
        worse = {name: np.where(generator.random(2000) < share, 0.0, scores) for name, scores in base.items()}
        baseline, evaluated = (
            Evaluated({n: float(s.mean()) for n, s in side.items()}, scores=side) for side in (base, worse)
        )
        return judge(criterion, baseline, evaluated).state

    assert [state(share) for share in (0.01, 0.055, 0.3)] == ["met", "undecided", "failed"]


@pytest.mark.parametrize(
    ("bounds", "line"),
    [
        ([], "metrics: want at least one"),
        ([Bound("a"), Bound("a")], "'a' is there twice"),
        ([Bound("a", -0.1)], "metric 'a': criterion=-0.1: want a finite number from 0"),
        ([Bound("a", math.nan)], "criterion=nan"),
        ([Bound("a", weight=1), Bound("b")], "metric 'b': weight_ratio is missing"),
        ([Bound("a", weight=-1)], "weight_ratio=-1"),
        ([Bound("a", weight=0), Bound("b", weight=0)], "every metric has 0"),
        ([Bound("a", 0.0, weight=1)], "criterion=0 has no unit"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(bounds: list[Bound], line: str) -> None:
    with pytest.raises(TuningError, match=line) as caught:
        Criterion(tuple(bounds))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("bound", "values", "line"),
    [
        (Bound("f1"), {"f1": 0.0}, "metric 'f1': FP32 has 0, of which no share can be lost"),
        (Bound("f1"), {"f1": math.nan}, "metric 'f1': FP32 has nan"),
        (Bound("eval_f2"), {"eval_f1": 0.5, "loss": 1.0}, "no such value; did you mean 'eval_f1'"),
    ],
)
def test_a_baseline_that_the_criterion_means_nothing_on_is_refused(bound, values, line: str) -> None:
    with pytest.raises(TuningError, match=line):
        check_baseline(Criterion((bound,)), values)


def test_an_absolute_criterion_takes_a_baseline_of_zero() -> None:
    check_baseline(Criterion((Bound("f1", 0.01, relative=False),)), {"f1": 0.0})


def test_a_clear_loss_ends_an_evaluation_early_and_a_clear_pass_too() -> None:
    base = np.ones(1000)
    criterion = Criterion((Bound("m", 0.05, relative=False),))
    baseline = Evaluated({"m": 1.0}, scores={"m": base})
    for cell, state in ((np.zeros(1000), "failed"), (base, "met")):
        stopping = EarlyStopping(criterion, baseline, 0.95)
        seen = next(rows for rows in range(10, 1001, 10) if stopping.decided({"m": cell[:rows]}))
        assert seen == 200
        part = Evaluated({"m": float(cell[:seen].mean())}, scores={"m": cell[:seen]})
        assert judge(criterion, baseline, part, stopping.confidence).state == state


def test_looking_five_times_keeps_the_error_of_one() -> None:
    # A share of rows flips either way so that the true loss is exactly what is allowed: any decision is by chance.
    ended = []
    for seed in range(600):
        generator = np.random.default_rng(seed)
        base = generator.integers(0, 2, 500).astype(float)
        flips = generator.random(500)
        # Of rows that are right 12 % turn wrong, of the wrong 8 % turn right: a mean loss of 0.02.
        cell = np.where((base == 1) & (flips < 0.12), 0.0, np.where((base == 0) & (flips < 0.08), 1.0, base))
        criterion = Criterion((Bound("m", 0.02, relative=False),))
        baseline = Evaluated({"m": float(base.mean())}, scores={"m": base})
        stopping = EarlyStopping(criterion, baseline, 0.95)
        early = any(stopping.decided({"m": cell[:rows]}) for rows in range(25, 501, 25))
        final = judge(
            criterion, baseline, Evaluated({"m": float(cell.mean())}, scores={"m": cell}), stopping.confidence
        )
        ended.append(early or final.state != "undecided")
    # 5 % are allowed; 600 draws of 5 % stay below 7.5 % in all but 0.3 % of cases.
    assert np.mean(ended) <= 0.075


def test_between_the_planned_looks_nothing_is_decided_and_never_without_scores() -> None:
    criterion = Criterion((Bound("m", 0.05, relative=False), Bound("other", 0.05, relative=False)))
    scores = {"m": np.ones(100), "other": np.ones(100)}
    stopping = EarlyStopping(criterion, Evaluated({"m": 1.0, "other": 1.0}, scores=scores), 0.95)
    zeros = {name: np.zeros(100) for name in scores}
    assert not stopping.decided({name: part[:19] for name, part in zeros.items()})
    assert not stopping.decided({"m": zeros["m"][:40]})
    assert stopping.decided({name: part[:40] for name, part in zeros.items()})
    # The look at 40 % is used; the next is at 60 %, and the one at the end is the evaluation itself.
    assert not stopping.decided({name: part[:59] for name, part in zeros.items()})
    assert stopping.decided({name: part[:60] for name, part in zeros.items()})
    assert not stopping.decided(zeros)
    assert stopping.confidence == pytest.approx(1 - 0.05 / 10)
