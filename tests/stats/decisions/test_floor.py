"""What an A/A says of a host, held against closed forms and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.stats.decisions.floor import _drift, floor, noise, pooled_deviation, smallest_change


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
    deviation = np.log(quiet[1]).std(ddof=1)
    assert found.drift == pytest.approx(math.expm1(stats.t.ppf(0.975, 3) * deviation * math.sqrt(2)))
    assert found.floor >= 0.048 and found.smallest_change > 0
    nothing = noise([([1.0], [1.0])])
    assert (nothing.comparisons, nothing.floor, nothing.drift) == (0, None, None)


@pytest.mark.parametrize("pairs", [12, 120])
def test_two_levels_that_are_not_paired_differ_by_more_than_the_drift_in_one_of_twenty_however_many_were_seen(pairs):
    generator = np.random.default_rng(1)
    beyond = 0
    for _ in range(2000):
        logs = generator.normal(0, 0.1, pairs + 2)
        drift = _drift(np.exp(logs[:pairs]), [1.0])
        beyond += abs(logs[-1] - logs[-2]) > math.log1p(drift)
    assert beyond / 2000 == pytest.approx(0.05, abs=0.015)
