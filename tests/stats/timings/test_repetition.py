"""Prediction intervals: how often a repetition falls into them, and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.stats.timings import estimate, repetition


@pytest.mark.parametrize(("blocks", "further"), [(2, 2), (4, 4), (4, 10), (10, 4)])
def test_the_level_of_a_repetition_falls_into_the_interval_as_often_as_it_says(blocks, further):
    generator = np.random.default_rng(blocks + 100 * further)
    then, now = (np.exp(generator.normal(2.7, 0.05, (1500, count))) for count in (blocks, further))
    found = [repetition.of_levels(levels, further, 0.9) for levels in then]
    inside = [one.low <= stats.gmean(levels) <= one.high for one, levels in zip(found, now, strict=True)]
    assert stats.binomtest(sum(inside), 1500, 0.9, alternative="less").pvalue > 0.01
    # An interval of the level itself would hold it too seldom: that is why it is not used.
    plain = [estimate.over_invocations(levels, 0.9) for levels in then]
    seldom = [one.low <= stats.gmean(levels) <= one.high for one, levels in zip(plain, now, strict=True)]
    assert sum(seldom) < sum(inside) and stats.binomtest(sum(seldom), 1500, 0.9, alternative="less").pvalue < 0.01


def test_a_ratio_is_repeated_within_its_spread():
    generator = np.random.default_rng(0)
    inside = 0
    for _ in range(800):
        sides = [dict(enumerate(np.exp(generator.normal(0, 0.05, 10)))) for _ in range(2)]
        ratio = estimate.paired_ratio(*({block: side[block] for block in range(5)} for side in sides))
        later = estimate.paired_ratio(*({block: side[block] for block in range(5, 10)} for side in sides))
        expected = repetition.of_ratio(ratio, 5, 0.9)
        inside += expected.low <= later.estimate <= expected.high
    assert stats.binomtest(inside, 800, 0.9).pvalue > 0.01


def test_the_closed_form_of_two_levels():
    found = repetition.of_levels([1.0, math.e], 1, 0.9)
    reach = stats.t.ppf(0.95, 1) * math.sqrt(0.5) * math.sqrt(0.5 + 1)
    assert math.log(found.low) == pytest.approx(0.5 - reach) and math.log(found.high) == pytest.approx(0.5 + reach)


def test_what_has_no_spread_says_nothing():
    assert repetition.of_levels([3.0], 4) is None and repetition.of_levels([3.0, 4.0], 0) is None
    assert repetition.of_ratio(estimate.paired_ratio({0: 2.0}, {0: 1.0}), 4) is None
