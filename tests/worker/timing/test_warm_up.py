from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.worker.timing.warm_up import ENOUGH, is_flat, student_quantile, trend, warm_up
from suites.evidence import steady_state

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


def test_a_step_is_waited_for_until_the_series_after_it_is_long():
    process = Process(lambda i: MILLISECOND * (2 if i < 15 else 1) + i % 3)
    warm = warm_up(process.take, 10, 10.0)
    assert warm.steady and 40 <= process.made <= 80


def test_slow_iterations_are_judged_by_what_the_time_allows():
    flat = warm_up(Process(lambda i: 200 * MILLISECOND + i % 2).take, 10, 1.5)
    assert flat.steady
    assert len(flat.samples_ns) == 8
    falling = warm_up(Process(lambda i: 400 * MILLISECOND * 0.9**i).take, 10, 1.5)
    assert not falling.steady


def test_six_iterations_are_made_whatever_the_cap_is():
    warm = warm_up(Process(lambda i: 3000 * MILLISECOND).take, 10, 1.0)
    assert (len(warm.samples_ns), warm.steady) == (6, True)
    assert len(warm_up(Process(lambda i: MILLISECOND).take, 10, 0.0).samples_ns) == 6


def test_noisy_slow_iterations_go_on_until_a_ramp_is_excluded_but_not_for_ever():
    calm, noisier = (
        warm_up(Process(noisy(lambda i: 150 * MILLISECOND, 3, share)).take, 4, 0.8) for share in (0.01, 0.1)
    )
    assert (len(calm.samples_ns), calm.steady) == (6, True)
    assert len(noisier.samples_ns) > 12 and noisier.steady
    drifting = warm_up(Process(noisy(lambda i: 150 * MILLISECOND * 1.03**i, 3, 0.1)).take, 4, 0.8)
    assert not drifting.steady and 30 <= len(drifting.samples_ns) <= 1.25 * ENOUGH


@pytest.mark.parametrize("milliseconds", [60, 150])
def test_stationary_series_are_steady_and_ramps_are_not(milliseconds):
    """``python -m suites.evidence.steady_state`` prints the shares of 1000 series; these are of 60."""
    for noise in (0.02, 0.1):
        assert steady_state.share(milliseconds, noise, ramp=0.0, series=60).unsteady <= 0.1
        assert steady_state.share(milliseconds, noise, ramp=0.2, series=60).unsteady >= 0.88


def test_batches_of_unlike_lengths_are_held_against_the_round_before():
    usual = [round(MILLISECOND * (1 + i % 8)) for i in range(8)]
    flat = warm_up(Process(noisy(lambda i: usual[i % 8], 3, 0.01)).take, 4, 0.8, expected=usual)
    assert flat.steady and len(flat.samples_ns) <= 24
    rising = warm_up(Process(noisy(lambda i: usual[i % 8] * 1.02**i, 3, 0.01)).take, 4, 0.2, expected=usual)
    assert not rising.steady


def test_one_outlier_does_not_make_a_flat_series_unsteady():
    assert is_flat([1000, 1001, 999, 1000, 9000, 1000, 1001, 1000, 999, 1000])


def test_a_late_step_is_no_row_of_outliers():
    assert not is_flat([1000, 1001, 999, 1000, 1002, 1000, 1001, 1000, 999, 1000, 1300, 1301, 1300])


@given(st.lists(st.floats(-0.08, 0.08), min_size=6, max_size=40))
def test_the_line_is_least_squares_as_scipys(values):
    logs = np.asarray(values)
    found = stats.linregress(np.arange(len(logs)), logs)
    rise, error = trend(logs)
    assert rise == pytest.approx(found.slope * len(logs), abs=1e-9)
    if np.ptp(logs):  # SciPy has no error of a constant
        assert error == pytest.approx(found.stderr * len(logs), abs=1e-6)


@pytest.mark.parametrize("freedom", [3, 4, 8, 60])
@pytest.mark.parametrize("probability", [0.95, 0.975])
def test_quantiles_are_students(probability, freedom):
    assert student_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=0.01)
