from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from harness.stats.timings.estimate import inverse, over_invocations, paired_ratio, with_ends

levels = st.floats(1e-3, 1e9)
pairs = st.lists(st.tuples(levels, levels), min_size=2, max_size=6)


def by_block(values):
    return dict(enumerate(values))


def test_a_rate_has_the_ends_of_its_time_the_other_way_round():
    time = over_invocations([39.0, 40.0, 41.0])
    rate = inverse(time, 8)
    assert rate.estimate == pytest.approx(8 / time.estimate)
    assert with_ends("r", rate, 2) == {"r": 16 / time.estimate, "r_low": 16 / time.high, "r_high": 16 / time.low}
    assert inverse(over_invocations([4.0]), 8).low is None


def test_level_over_invocations_is_the_geometric_mean_with_students_interval_on_logs():
    values = [10.0, 10.4, 9.9, 10.1, 10.2]
    low, high = DescrStatsW(np.log(values)).tconfint_mean(alpha=0.1)
    found = over_invocations(values, confidence=0.9)
    ends = (math.exp(low), math.exp(high))
    assert (found.estimate, found.low, found.high) == pytest.approx((stats.gmean(values), *ends))


def test_a_single_invocation_has_no_interval_and_none_no_level():
    assert over_invocations([3.0]).low is None
    assert over_invocations([]) is None


@given(st.lists(levels, min_size=2, max_size=30))
def test_interval_of_a_level_holds_it(values):
    found = over_invocations(values)
    assert found.low <= found.estimate <= found.high


def test_paired_ratio_is_scipys_paired_t_on_logs():
    numerator, denominator = [15.0, 15.4, 14.9, 15.3], [7.3, 7.5, 7.1, 7.4]
    theirs = stats.ttest_rel(np.log(numerator), np.log(denominator)).confidence_interval(0.95)
    found = paired_ratio(by_block(numerator), by_block(denominator))
    assert (found.low, found.high) == pytest.approx((math.exp(theirs.low), math.exp(theirs.high)))
    assert found.estimate == pytest.approx(stats.gmean(np.array(numerator) / np.array(denominator)))
    assert found.pairs == 4


def test_pairing_removes_what_a_block_does_to_both_sides():
    slow_blocks = np.array([1.0, 1.5, 0.8, 1.2, 2.0])
    found = paired_ratio(by_block(20 * slow_blocks), by_block(10 * slow_blocks * [1, 1.01, 0.99, 1, 1]))
    assert 1.97 < found.low < 2 < found.high < 2.03


def test_only_blocks_that_hold_both_sides_count():
    found = paired_ratio({0: 20.0, 1: 22.0, 2: 99.0}, {0: 10.0, 1: 11.0, 7: 1.0})
    assert (found.estimate, found.pairs) == (pytest.approx(2), 2)
    assert paired_ratio({0: 1.0}, {1: 1.0}) is None


def test_one_pair_gives_a_ratio_but_no_interval_and_no_p():
    found = paired_ratio({3: 20.0}, {3: 10.0})
    assert (found.estimate, found.low, found.high, found.p) == (pytest.approx(2), None, None, None)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_a_timing_that_is_none_is_refused(bad):
    with pytest.raises(ValueError, match="positive"):
        paired_ratio({0: 1.0, 1: bad}, {0: 1.0, 1: 1.0})


@given(pairs)
def test_turning_the_sides_round_inverts_ratio_and_interval(values):
    one, other = by_block([a for a, _ in values]), by_block([b for _, b in values])
    there, back = paired_ratio(one, other), paired_ratio(other, one)
    # The ends may lie beyond what a float can hold: compare their logarithms where they do not.
    assert there.mean_log == pytest.approx(-back.mean_log, abs=1e-9)
    assert there.p == pytest.approx(back.p)
    if back.high < 1e300 and there.high < 1e300:
        assert there.low == pytest.approx(1 / back.high, rel=1e-6)
        assert there.high == pytest.approx(1 / back.low, rel=1e-6)
    assert there.low <= there.estimate <= there.high


@example([0.0, 0.844, 0.82, 0.812, -0.5, -0.781, -0.594, -0.594])
@given(st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=2, max_size=8))
def test_sign_flip_p_is_the_share_of_sign_patterns_at_least_as_far_from_zero(log_ratios):
    found = paired_ratio(by_block(np.exp(log_ratios)), by_block(np.ones(len(log_ratios))))
    sums = [abs(np.dot(signs, log_ratios)) for signs in itertools.product((1, -1), repeat=len(log_ratios))]
    assert found.p == pytest.approx(np.mean(np.array(sums) >= abs(sum(log_ratios)) - 1e-9))


def test_95_percent_interval_covers_the_true_ratio_in_95_percent_of_noisy_runs():
    random = np.random.default_rng(20261124)
    covered = 0
    for _ in range(1500):
        block = random.lognormal(0, 0.3, 5)
        numerator, denominator = (side * block * random.lognormal(0, 0.05, 5) for side in (21.0, 10.0))
        found = paired_ratio(by_block(numerator), by_block(denominator))
        covered += found.low <= 2.1 <= found.high
    # Three standard errors of a share of 0.95 over 1500 runs are 0.017.
    assert covered / 1500 == pytest.approx(0.95, abs=0.017)
