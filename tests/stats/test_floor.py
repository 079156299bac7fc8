"""What an A/A says of a host, held against closed forms and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.stats.floor import floor, noise, pooled_deviation, smallest_change


def test_the_pooled_deviation_is_that_within_groups():
    # Deviations 1 about 0 and 2 about 10, with 2 and 8 squares over 1 and 1 freedoms.
    assert pooled_deviation([[-1, 1], [8, 12]]) == pytest.approx(math.sqrt((2 + 8) / 2))
    assert pooled_deviation([[1.0], []]) is None


def test_the_smallest_change_is_found_in_eight_of_ten_tries():
    deviation, pairs = 0.01, 12
    change = math.log1p(smallest_change(deviation, pairs))
    draws = np.random.default_rng(0).normal(change, deviation, (20_000, pairs))
    found = (stats.ttest_1samp(draws, 0, axis=1).pvalue <= 0.05).mean()
    assert found == pytest.approx(0.8, abs=0.01)
    assert smallest_change(deviation, 1) is None


def test_the_floor_is_what_luck_or_the_worst_comparison_shows():
    quiet = np.tile([-0.01, 0.01], 8)
    reach = stats.t.ppf(0.975, 15) * pooled_deviation([quiet]) / 4
    assert floor([quiet]) == pytest.approx(math.expm1(reach))
    assert floor([quiet, quiet + 0.03]) == pytest.approx(math.expm1(0.03))
    assert floor([[0.1]]) is None


def test_noise_counts_alarms_and_drift():
    one = [10.0, 10.0, 11.0, 11.0]
    quiet = (one, [10.1, 9.9, 11.1, 10.9])
    biased = ([10.0, 10.0, 11.0, 11.0], [10.5, 10.49, 11.55, 11.56])
    found = noise([quiet, biased])
    assert (found.comparisons, found.false_alarms) == (2, 1)
    assert found.drift == pytest.approx(11.1 / 9.9 - 1)
    assert found.floor >= 0.048 and found.smallest_change > 0
    nothing = noise([([1.0], [1.0])])
    assert (nothing.comparisons, nothing.floor, nothing.drift) == (0, None, None)
