"""Intervals of F1, Matthews, Pearson and perplexity: they allow what so few rows cannot exclude.

``python -m suites.evidence.metric_intervals`` prints the coverage of all metrics; some of it is held here.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness import metrics
from harness.metrics.base import Weighable
from harness.stats.predictions.accuracy import criterion, metric_interval, paired_difference
from harness.stats.predictions.extra_row import limits
from suites.evidence import metric_intervals

NAMES = sorted(name for name in metrics.names() if metrics.find(name).weighable is not None)


def drawn(name: str, rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions and references of a metric."""
    random = np.random.default_rng(seed)
    if name == "pearson":
        true = random.normal(size=rows)
        return true + random.normal(0, 0.7, rows), true
    if name == "perplexity":
        return random.normal(3, 0.4, rows), random.integers(50, 128, rows)
    true = np.arange(rows) % 3
    return np.where(random.random(rows) < 0.1, (true + 1) % 3, true), true


@pytest.mark.parametrize("rows", [20, 100])
@pytest.mark.parametrize("name", NAMES)
def test_equal_predictions_on_few_rows_leave_a_loss_possible(name, rows):
    predictions, references = drawn(name, rows)
    found = paired_difference(name, predictions, predictions, references)
    assert found.low < found.estimate == 0 < found.high
    baseline = metric_interval(name, predictions, references).estimate
    assert criterion(found, baseline, 0.01, True, name != "perplexity").state == "undecided"


@pytest.mark.parametrize("name", NAMES)
def test_equal_predictions_on_many_rows_meet_the_criterion(name):
    predictions, references = drawn(name, 4000)
    found = paired_difference(name, predictions, predictions, references)
    baseline = metric_interval(name, predictions, references).estimate
    assert criterion(found, baseline, 0.01, True, name != "perplexity").state == "met"


@pytest.mark.parametrize("name", ["f1_macro", "matthews", "pearson"])
def test_a_metric_without_a_flaw_on_few_rows_is_not_known_to_be_without(name):
    true = np.arange(20) % 4
    found = metric_interval(name, true, true)
    assert found.low < 1 - 0.05 and (found.estimate, found.high) == pytest.approx((1, 1))


@pytest.mark.parametrize(("right", "rows"), [(0, 20), (17, 20), (100, 100)])
def test_a_share_has_the_limits_of_clopper_and_pearson(right, rows):
    share = Weighable(
        features=np.array([[1.0, 1.0], [0.0, 1.0]]),
        counts=np.array([right, rows - right]),
        worst=np.array([0.0, 1.0]),
        best=np.array([1.0, 1.0]),
        value=lambda sums: sums[..., 0] / sums[..., 1],
    )
    exact = stats.binomtest(right, rows).proportion_ci(0.95, method="exact")
    assert limits(share, 0.95, 0) == pytest.approx((exact.low, exact.high), abs=0.012)


@pytest.mark.parametrize("name", NAMES)
def test_the_interval_turns_with_the_sides(name):
    predicted, true = drawn(name, 300)
    moved = np.arange(300) % 25 == 0
    baseline = np.where(moved, np.roll(predicted, 1), predicted)
    found, turned = (paired_difference(name, *sides, true) for sides in ((predicted, baseline), (baseline, predicted)))
    width = found.high - found.low
    assert (found.low, found.high) == pytest.approx((-turned.high, -turned.low), abs=0.1 * width)


@pytest.mark.slow
@pytest.mark.parametrize("discordance", [0.01, 0.05])
@pytest.mark.parametrize("rows", [20, 100])
def test_intervals_cover_and_a_loss_is_seldom_met_when_few_rows_move(rows, discordance):
    for case in metric_intervals.cases(discordance):
        if "rare broken" not in case.name:
            found = metric_intervals.outcome(case, rows, trials=100)
            assert found.covered >= 0.88 and found.false_met <= 0.1, case


def test_the_percentile_bootstrap_does_not_cover_so():
    (case,) = (
        one for one in metric_intervals.cases(0.01) if (one.metric, one.name) == ("matthews", "two classes, broken")
    )
    found = metric_intervals.outcome(case, 100, 100, metric_intervals.percentile_bootstrap)
    assert found.covered < 0.8 and found.false_met > 0.2
