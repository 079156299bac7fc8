from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.worker.steady import is_flat, mann_kendall_p, theil_sen_slope, warm_up

MILLISECOND = 1_000_000

seeds = st.integers(0, 2**31)


class Process:
    """A process whose iteration number i takes `latency(i)` nanoseconds, on a clock of its own."""

    def __init__(self, latency):
        self._latency = latency
        self.made = 0

    def take(self, count: int, seconds: float) -> list[int]:
        taken: list[int] = []
        while len(taken) < count:
            taken.append(round(self._latency(self.made)))
            self.made += 1
            if sum(taken) >= seconds * 1e9:
                break
        return taken


def noisy(latency, seed: int, share: float):
    noise = np.random.default_rng(seed).standard_normal(100_000)
    return lambda i: latency(i) * max(0.5, 1 + share * noise[i])


@settings(deadline=None)
@given(seeds, st.floats(0, 0.05), st.integers(5, 20))
def test_flat_noise_ends_soon(seed, share, window):
    process = Process(noisy(lambda i: MILLISECOND, seed, share))
    warm = warm_up(process.take, window, 10.0)
    assert warm.steady
    assert len(warm.samples_ns) == process.made <= 20 * window


@settings(deadline=None)
@given(seeds, st.floats(0.3, 5), st.floats(2, 20), st.floats(0, 0.01))
def test_a_decay_ends_after_the_decay(seed, height, iterations, share):
    def latency(i):
        return MILLISECOND * (1 + height * math.exp(-i / iterations))

    process = Process(noisy(latency, seed, share))
    warm = warm_up(process.take, 10, 60.0)
    assert warm.steady
    # What is measured from here on is within 3 % of where the decay leads.
    assert latency(process.made) <= 1.03 * MILLISECOND


@settings(deadline=None)
@given(seeds, st.sampled_from([-1, 1]), st.floats(0.004, 0.05), st.integers(10, 20))
def test_a_ramp_is_never_steady(seed, sign, growth, window):
    def latency(i):
        return MILLISECOND * math.exp(sign * growth * i)

    process = Process(noisy(latency, seed, growth / 10))
    # A falling ramp's sum has a limit: the cap must lie below it.
    seconds = 0.9 * sum(latency(i) for i in range(60)) / 1e9
    warm = warm_up(process.take, window, seconds)
    assert not warm.steady
    assert sum(warm.samples_ns) / 1e9 >= seconds


def test_a_step_is_waited_for_until_both_windows_lie_behind_it():
    process = Process(lambda i: MILLISECOND * (2 if i < 15 else 1) + i % 3)
    assert warm_up(process.take, 10, 10.0).steady
    assert process.made == 40


def test_slow_iterations_are_judged_by_what_the_time_allows():
    flat = warm_up(Process(lambda i: 200 * MILLISECOND + i % 2).take, 10, 1.5)
    assert flat.steady
    assert len(flat.samples_ns) == 8
    falling = warm_up(Process(lambda i: 200 * MILLISECOND * (2 - i / 8)).take, 10, 1.5)
    assert not falling.steady


def test_six_iterations_are_made_whatever_the_cap_is():
    warm = warm_up(Process(lambda i: 3000 * MILLISECOND).take, 10, 1.0)
    assert (len(warm.samples_ns), warm.steady) == (6, True)
    assert len(warm_up(Process(lambda i: MILLISECOND).take, 10, 0.0).samples_ns) == 6


def test_one_outlier_does_not_make_a_flat_series_unsteady():
    assert is_flat([1000, 1001, 999, 1000, 9000, 1000, 1001, 1000, 999, 1000])


@given(st.lists(st.integers(0, 30), min_size=6, max_size=40))
def test_the_slope_is_scipys(values):
    series = np.asarray(values, float)
    assert theil_sen_slope(series) == pytest.approx(stats.theilslopes(series).slope)


@given(st.permutations(range(12)))
def test_the_trend_test_is_kendalls_with_a_continuity_correction(values):
    series = np.asarray(values, float)
    exact = stats.kendalltau(np.arange(12), series, method="exact").pvalue
    assert mann_kendall_p(series) == pytest.approx(exact, abs=0.02)


@given(st.lists(st.integers(0, 4), min_size=10, max_size=40))
def test_ties_widen_nothing_as_in_scipys_asymptotic_test(values):
    series = np.asarray(values, float)
    order = np.arange(len(series))
    rows, columns = np.triu_indices(len(series), 1)
    score = abs(np.sign(series[columns] - series[rows]).sum())
    expected = stats.kendalltau(order, series, method="asymptotic").pvalue
    if math.isnan(expected) or score == 0:  # all equal, or no trend at all
        assert mann_kendall_p(series) == 1.0
    else:
        # SciPy has no continuity correction: its z is larger by score / (score - 1).
        z = stats.norm.isf(expected / 2) * (score - 1) / score
        assert mann_kendall_p(series) == pytest.approx(2 * stats.norm.sf(z), rel=1e-6)
