"""The bound on a percentile against its definition, and against what it promises."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.timings.early_stopping import discarded, percentiles


def _at_most(t: int, n: int, beyond: Fraction) -> Fraction:
    """Return P(X <= t) of a binomial variable, exactly."""
    a, whole = beyond.numerator, beyond.denominator
    return Fraction(sum(math.comb(n, k) * a**k * (whole - a) ** (n - k) for k in range(t + 1)), whole**n)


@pytest.mark.parametrize(("percentile", "queries"), [(0.9, 64), (0.99, 662), (0.95, 130)])
def test_the_fewest_queries_are_those_that_loadgen_asks_for(percentile: float, queries: int) -> None:
    # 64 and 662 are what LoadGen itself prints; 130 is the first n with 0.95^n + n 0.05 0.95^(n-1) < 0.01.
    assert discarded(queries - 1, percentile) is None
    assert discarded(queries, percentile) == 1


@given(st.integers(1, 400), st.sampled_from([Fraction(1, 2), Fraction(1, 10), Fraction(1, 20)]))
def test_as_many_are_passed_over_as_the_exact_test_allows(queries: int, beyond: Fraction) -> None:
    found = discarded(queries, float(1 - beyond))
    if found is None:
        assert _at_most(1, queries, beyond) >= Fraction(1, 100)
    else:
        assert _at_most(found, queries, beyond) < Fraction(1, 100) <= _at_most(found + 1, queries, beyond)


def test_the_true_percentile_is_above_the_bound_in_at_most_one_of_a_hundred_runs() -> None:
    generator = np.random.default_rng(0)
    truth = math.log(10)  # the 90th percentile of an exponential distribution of mean 1, here in units of 10^9 ns
    runs = generator.exponential(1e9, (2000, 150)).astype(int)
    bounds = np.array([percentiles(run, (0.9,))[0].bound_ns for run in runs])
    missed = float(np.mean(bounds < truth * 1e9))
    assert missed <= 0.01 + 3 * math.sqrt(0.01 * 0.99 / len(runs))
    # Nor is it so far off that it would always hold.
    assert missed > 0


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=300))
def test_percentiles_are_those_of_the_sorted_latencies_and_bounds_are_above_them(latencies: list[int]) -> None:
    for one in percentiles(latencies):
        ordered = sorted(latencies)
        assert one.latency_ns == ordered[int(len(ordered) * one.percentile)]
        assert one.bound_ns is None or one.bound_ns >= one.latency_ns
