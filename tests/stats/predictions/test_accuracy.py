from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from harness import metrics
from harness.stats.predictions.accuracy import criterion, metric_interval, outcomes, paired_difference, tango_interval
from harness.stats.timings.estimate import Interval

counts = st.integers(0, 60)
labelled = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


def right_of(right: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    references = np.arange(rows) % 3
    predictions = references.copy()
    predictions[right:] += 1
    return predictions, references


# Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3.
@pytest.mark.parametrize(
    ("right", "rows", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_interval_of_accuracy_is_wilsons_as_newcombe_published_it(right, rows, low, high):
    found = metric_interval("accuracy", *right_of(right, rows))
    assert (found.estimate, found.low, found.high) == pytest.approx((right / rows, low, high), abs=5e-5)


# (rows that only one, only the other got right; all rows). Airway hyper-responsiveness and its interval: Fagerland,
# Lydersen and Laake, Statistics in Medicine 33 (2014) 2850-2875; the second: Agresti and Min, Statistics in Medicine
# 24 (2005) 729-740; the third was computed by scoreci.mp of the R package PropCIs.
@pytest.mark.parametrize(
    ("fixed", "broken", "rows", "confidence", "low", "high", "places"),
    [
        (1, 7, 21, 0.95, -0.517, -0.026, 3),
        (16, 8, 86, 0.95, -0.020, 0.207, 3),
        (28, 25, 618, 0.90, -0.0148, 0.0247, 4),
    ],
)
def test_paired_difference_of_shares_is_tangos_as_published(fixed, broken, rows, confidence, low, high, places):
    found = tango_interval(fixed, broken, rows, confidence)
    assert (round(found.low, places), round(found.high, places)) == (low, high)
    assert found.estimate == (fixed - broken) / rows


@pytest.mark.parametrize("rows", [10, 200, 2000])
def test_without_disagreement_the_interval_still_has_the_width_that_so_few_rows_allow(rows):
    z_squared = stats.norm.ppf(0.975) ** 2
    found = tango_interval(0, 0, rows)
    assert (found.low, found.high) == pytest.approx(
        (-z_squared / (rows + z_squared), z_squared / (rows + z_squared)), rel=1e-6
    )


def test_when_one_side_has_everything_the_interval_ends_at_one():
    z_squared = stats.norm.ppf(0.975) ** 2
    found = tango_interval(30, 0, 30)
    assert (found.estimate, found.high) == (1, 1)
    assert found.low == pytest.approx((30 - z_squared) / (30 + z_squared))
    assert tango_interval(0, 30, 30).low == -1


@given(counts, counts, st.integers(1, 60))
def test_interval_holds_its_estimate_turns_with_the_sides_and_agrees_with_the_score_test_at_zero(fixed, broken, same):
    rows = fixed + broken + same
    found, turned = tango_interval(fixed, broken, rows), tango_interval(broken, fixed, rows)
    assert -1 <= found.low <= found.estimate <= found.high <= 1
    assert (found.low, found.high) == pytest.approx((-turned.high, -turned.low), abs=1e-9)
    if fixed + broken:
        statistic = (fixed - broken) ** 2 / (fixed + broken)  # McNemar's, which Tango's score test is at 0
        if abs(statistic - stats.norm.ppf(0.975) ** 2) > 1e-6:
            assert (found.low <= 0 <= found.high) == (statistic < stats.norm.ppf(0.975) ** 2)


def test_paired_interval_covers_the_true_difference():
    random = np.random.default_rng(7)
    # Of 1000 rows 2 % are broken and 1.2 % fixed: a quantized model beside its FP32.
    drawn = random.multinomial(1000, [0.02, 0.012, 0.968], size=2000)
    found = [tango_interval(fixed, broken, 1000) for broken, fixed, _ in drawn]
    covered = np.mean([one.low <= -0.008 <= one.high for one in found])
    assert covered == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(("fixed", "broken", "rows"), [(1, 0, 0), (-1, 0, 5), (3, 3, 5)])
def test_impossible_tables_are_refused(fixed, broken, rows):
    with pytest.raises(ValueError, match="paired outcomes"):
        tango_interval(fixed, broken, rows)


def test_outcomes_count_what_broke_and_what_was_fixed():
    references = [0, 1, 0, 1, 0, 1, 2, 2]
    baseline = [0, 1, 0, 0, 0, 0, 2, 1]
    other = [0, 1, 1, 1, 0, 2, 0, 0]
    found = outcomes(other, baseline, references)
    assert (found.broken, found.fixed) == (2, 1)  # rows 2 and 6; row 3; rows 5 and 7 are wrong on both sides
    assert found.agreement == 3 / 8
    assert found.mcnemar_p == 1.0


def test_mcnemar_is_exact():
    references = np.zeros(21, int)
    baseline, other = np.zeros(21, int), np.zeros(21, int)
    baseline[0] = 1
    other[1:8] = 1
    assert outcomes(other, baseline, references).mcnemar_p == pytest.approx(2 * (1 + 8) / 2**8)


@given(labelled, st.integers(0, 2**16))
def test_mcnemar_agrees_with_statsmodels(rows, seed):
    predictions, references = np.array(rows).T
    baseline = np.random.default_rng(seed).integers(0, 4, len(rows))
    found = outcomes(predictions, baseline, references)
    theirs = mcnemar([[0, found.broken], [found.fixed, 0]], exact=True)
    assert found.mcnemar_p == pytest.approx(theirs.pvalue)


def test_equal_outcomes_are_no_evidence_of_a_change():
    assert outcomes([0, 1], [0, 1], [0, 0]).mcnemar_p == 1.0


@given(labelled)
def test_f1_macro_is_the_mean_over_classes_of_its_definition(rows):
    predictions, references = np.array(rows).T
    each = []
    for label in set(predictions) | set(references):
        hits = sum((p == label) and (r == label) for p, r in rows)
        precision = hits / max(sum(predictions == label), 1)
        recall = hits / max(sum(references == label), 1)
        each.append(2 * precision * recall / (precision + recall) if hits else 0.0)
    assert metrics.find("f1_macro").values(predictions, references) == pytest.approx(np.mean(each))


@given(labelled)
def test_matthews_is_gorodkins_correlation_of_class_indicators(rows):
    predictions, references = np.array(rows).T
    one, other = (np.eye(4)[side] - np.eye(4)[side].mean(axis=0) for side in (predictions, references))
    spread = math.sqrt((one**2).sum() * (other**2).sum())
    expected = (one * other).sum() / spread if spread > 1e-9 else 0.0
    assert metrics.find("matthews").values(predictions, references) == pytest.approx(expected, abs=1e-9)


def test_pearson_is_scipys_and_undefined_for_a_constant():
    random = np.random.default_rng(3)
    one = random.normal(size=50)
    other = one + random.normal(size=50)
    assert metrics.find("pearson").values(one, other) == pytest.approx(stats.pearsonr(one, other).statistic)
    assert np.isnan(metrics.find("pearson").values(np.ones(5), np.arange(5.0)))


def test_interval_of_a_correlation_agrees_with_fishers():
    random = np.random.default_rng(11)
    one = random.normal(size=2000)
    other = one + random.normal(size=2000)
    theirs = stats.pearsonr(one, other).confidence_interval(0.95)
    found = metric_interval("pearson", one, other)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_interval_of_a_difference_keeps_the_rows_of_both_sides_together():
    """On balanced classes Matthews is twice the accuracy less one, nearly; so Tango's interval must be half as wide."""
    random = np.random.default_rng(2)
    references = np.arange(4000) % 2
    baseline = np.where(random.random(4000) < 0.15, 1 - references, references)
    other = np.where(random.random(4000) < 0.02, 1 - baseline, baseline)
    found = paired_difference("matthews", other, baseline, references)
    tango = paired_difference("accuracy", other, baseline, references)
    assert found.low <= found.estimate <= found.high
    assert found.high - found.low == pytest.approx(2 * (tango.high - tango.low), rel=0.1)


def test_difference_is_that_of_the_two_metrics_and_the_same_on_every_call():
    random = np.random.default_rng(4)
    other, baseline, references = random.integers(0, 3, (3, 300))
    for name in ("accuracy", "f1_macro", "matthews"):
        found = paired_difference(name, other, baseline, references, seed=9)
        each = metrics.find(name).values(other, references) - metrics.find(name).values(baseline, references)
        assert found.estimate == pytest.approx(float(each))
        assert found == paired_difference(name, other, baseline, references, seed=9)
    assert found != paired_difference("matthews", other, baseline, references, seed=10)


def test_where_the_metric_is_undefined_or_of_one_row_there_is_no_interval():
    found = metric_interval("pearson", [1.0, 1.0, 1.0], [1.0, 2.0, 3.0])
    assert math.isnan(found.estimate) and (found.low, found.high) == (None, None)
    assert metric_interval("f1_macro", [1], [1]) == Interval(1.0)


def test_an_unknown_metric_has_no_interval():
    assert metric_interval("rouge.rougeL", [1, 0], [1, 1]) is None
    assert paired_difference("rouge.rougeL", [1, 0], [1, 1], [1, 1]) is None


@pytest.mark.parametrize("rows", [([1, 2], [1]), ([], []), ([[1]], [[1]])])
def test_rows_must_match(rows):
    with pytest.raises(ValueError, match="as many predictions as references"):
        metric_interval("accuracy", *rows)


@pytest.mark.parametrize(
    ("low", "estimate", "high", "baseline", "state", "within"),
    [
        (-0.008, -0.002, 0.004, 0.9, "met", True),
        (-0.009, -0.009, -0.009, 0.9, "met", True),  # exactly the allowed loss is allowed
        (-0.020, -0.002, 0.016, 0.9, "undecided", True),
        (-0.020, -0.012, -0.004, 0.9, "undecided", False),
        (-0.030, -0.020, -0.010, 0.9, "failed", False),
        (-0.008, -0.002, 0.004, -0.9, "met", True),  # a negative correlation has a tolerance as well
        (-0.001, 0.002, 0.005, 0.0, "undecided", True),  # nothing is allowed
        (0.0, 0.002, 0.005, 0.0, "met", True),
    ],
)
def test_criterion_is_decided_by_the_whole_interval(low, estimate, high, baseline, state, within):
    found = criterion(Interval(estimate, low, high), baseline, 0.01, relative=True)
    assert (found.state, found.within) == (state, within)
    assert found.allowed == pytest.approx(0.01 * abs(baseline))
    # A loss-like metric is the mirror image: what rises is worse.
    mirrored = criterion(Interval(-estimate, -high, -low), baseline, 0.01, greater_is_better=False)
    assert (mirrored.state, mirrored.within) == (state, within)


def test_an_absolute_criterion_does_not_depend_on_the_baseline():
    assert criterion(Interval(-0.02, -0.03, -0.01), 0.5, 0.04, relative=False).state == "met"
    assert criterion(Interval(-0.02, -0.03, -0.01), 0.5, 0.04, relative=True).state == "undecided"


def test_a_loss_of_exactly_what_is_allowed_is_within_it():
    # 0.891 - 0.9 is a little more than -0.009 below zero in binary.
    found = criterion(Interval(0.891 - 0.9, 0.891 - 0.9, 0.0), 0.9, 0.01)
    assert (found.state, found.within) == ("met", True)


def test_without_an_interval_the_criterion_is_undecided_but_read():
    found = criterion(Interval(-0.5), 0.9)
    assert (found.state, found.within) == ("undecided", False)
