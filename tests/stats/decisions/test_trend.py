"""The step detector: false alarms and power by simulation, its arithmetic against statsmodels and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.regression.linear_model import GLS

from harness.stats.decisions import trend
from harness.stats.decisions.trend import Level, find_steps, level
from suites.evidence.histories import KINDS, autocorrelated, is_confirmed, levels, white

RUNS = 50
HISTORIES = 300


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_of_histories_without_a_change_at_most_one_in_a_hundred_is_reported(kind: str) -> None:
    noise, rng = KINDS[kind], np.random.default_rng(20261124)
    reported = 0
    for _ in range(HISTORIES):
        steps = find_steps(levels(noise(rng, RUNS)))
        reported += any(is_confirmed(rng, noise, step) for step in steps)
    assert reported <= 0.01 * HISTORIES


@pytest.mark.slow
@pytest.mark.parametrize("sign", [1, -1])
def test_a_step_of_three_percent_in_noise_of_one_is_found_and_confirmed_within_five_runs(sign: int) -> None:
    rng, at, found = np.random.default_rng(5), 30, 0
    change = sign * math.log(1.03)
    for _ in range(HISTORIES):
        logs = white(rng, at + 5)
        logs[at:] += change
        steps = [step for step in find_steps(levels(logs)) if step.found >= at]
        found += any(is_confirmed(rng, white, step, change) for step in steps)
    assert found >= 0.9 * HISTORIES


@pytest.mark.slow
def test_white_noise_seldom_leads_to_a_candidate_and_autocorrelation_is_not_taken_for_steps() -> None:
    rng = np.random.default_rng(7)
    alarms = {
        name: sum(bool(find_steps(levels(noise(rng, RUNS)))) for _ in range(200)) / 200
        for name, noise in {"white": white, "AR(1)": autocorrelated(0.5)}.items()
    }
    assert alarms["white"] <= 0.1
    # Three standard errors of a stretch's mean, as if its runs were independent, are exceeded in most such histories.
    assert alarms["AR(1)"] <= 0.35


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_a_look_is_generalised_least_squares_with_its_own_correlation(rho: float) -> None:
    rng = np.random.default_rng(1)
    logs = autocorrelated(rho)(rng, 40)
    places = np.array([12, 30, 38])
    tests = trend._test(logs, places, np.tile([-np.inf, np.inf], (3, 1)), trend._Noise(np.empty(0)), 0.0)
    for index, place in enumerate(places):
        after = np.arange(40) >= place
        residuals = logs - np.where(after, logs[after].mean(), logs[~after].mean())
        correlation = trend._correlation(
            np.array((residuals**2).sum()), np.array((residuals[1:] * residuals[:-1]).sum()), 40, 2
        )
        covariance = correlation ** np.abs(np.subtract.outer(np.arange(40), np.arange(40)))
        fitted = GLS(logs, np.column_stack([np.ones(40), after]), covariance).fit()
        # One degree of freedom less than theirs: the correlation was estimated too.
        assert tests.size[index] == pytest.approx(fitted.params[1])
        assert tests.error[index] == pytest.approx(fitted.bse[1] * math.sqrt(38 / 37))
        assert tests.freedom == 37


@pytest.mark.parametrize("rho", [0.0, 0.4])
def test_the_correlation_around_two_levels_is_nearly_unbiased(rho: float) -> None:
    rng, found = np.random.default_rng(2), []
    for _ in range(600):
        logs = autocorrelated(rho)(rng, 40)
        residuals = np.concatenate([half - half.mean() for half in (logs[:30], logs[30:])])
        squares, products = (residuals**2).sum(), (residuals[1:] * residuals[:-1]).sum()
        found.append(float(trend._correlation(np.array([squares]), np.array([products]), 40, 2)[0]))
    plain = 0.0 if rho == 0 else rho
    # Negative estimates count as none, so without correlation the mean stands above it.
    assert np.mean(found) == pytest.approx(plain, abs=0.1 if rho == 0 else 0.04)


def test_a_step_is_placed_sized_and_dated() -> None:
    rng = np.random.default_rng(3)
    logs = white(rng, 40)
    logs[25:] += math.log(1.08)
    (step,) = find_steps(levels(logs))
    assert step.first == 25
    assert step.earliest <= 25 <= step.latest
    assert 26 <= step.found <= 29
    assert step.ratio.low < 1.08 < step.ratio.high
    assert step.ratio.high - step.ratio.low < 0.03


def test_two_steps_back_and_forth_are_two_steps() -> None:
    rng = np.random.default_rng(4)
    logs = 0.5 * white(rng, 60)
    logs[20:40] += 0.05
    steps = find_steps(levels(logs))
    assert [step.first for step in steps] == [20, 40]
    assert [step.ratio.estimate > 1 for step in steps] == [True, False]


def test_intervals_of_the_size_hold_the_true_one() -> None:
    rng, inside, tries = np.random.default_rng(6), 0, 200
    for _ in range(tries):
        logs = white(rng, 60)
        logs[30:] += math.log(1.05)
        step = max(find_steps(levels(logs)), key=lambda each: abs(math.log(each.ratio.estimate)))
        inside += step.ratio.low < 1.05 < step.ratio.high
    assert inside >= 0.88 * tries


def test_a_small_step_needs_more_runs_and_is_found_in_the_end() -> None:
    rng = np.random.default_rng(8)
    logs = white(rng, 75)
    logs[45:] += math.log(1.015)
    step = find_steps(levels(logs))[-1]
    assert abs(step.first - 45) <= 4
    assert step.found > 50
    assert step.ratio.low < 1.015 < step.ratio.high


@pytest.mark.parametrize("spikes", [[30], [30, 33], [12, 25, 38]])
def test_spikes_of_single_runs_are_no_step(spikes: list[int]) -> None:
    rng = np.random.default_rng(9)
    logs = white(rng, 40)
    logs[spikes] += 0.3
    assert find_steps(levels(logs)) == []


@given(seed=st.integers(0, 10**6), more=st.integers(1, 12))
def test_what_was_found_stands_when_more_runs_come(seed: int, more: int) -> None:
    rng = np.random.default_rng(seed)
    logs = white(rng, 40)
    logs[20:] += 0.04
    before, after = (find_steps(levels(logs[:end])) for end in (28, 28 + more))
    assert [step.found for step in after][: len(before)] == [step.found for step in before]


@given(scale=st.floats(1e-9, 1e9), seed=st.integers(0, 1000))
def test_the_unit_does_not_matter_and_a_mirror_image_has_the_same_steps(scale: float, seed: int) -> None:
    logs = white(np.random.default_rng(seed), 30)
    logs[15:] += 0.05
    one = find_steps(levels(logs))
    other = find_steps([Level(value.value * scale, None) for value in levels(logs)])
    mirrored = find_steps(levels(-logs))
    assert [step.first for step in one] == [step.first for step in other] == [step.first for step in mirrored]
    for step, opposite in zip(one, mirrored, strict=True):
        assert step.ratio.estimate * opposite.ratio.estimate == pytest.approx(1)


def test_noise_is_never_taken_for_smaller_than_the_runs_say_of_themselves() -> None:
    logs = np.array([0.0, 0.0001, -0.0001, 0.0001, 0.0, 0.01, 0.0101, 0.01])
    steps = [find_steps([Level(math.exp(value), error) for value in logs]) for error in (None, 0.00005, 0.02)]
    assert [len(found) for found in steps] == [1, 1, 0]


@pytest.mark.parametrize("count", range(7))
def test_a_history_that_is_too_short_has_no_step(count: int) -> None:
    jump = [Level(1.0, None)] * 4 + [Level(2.0, None)] * 3
    assert find_steps(jump[:count]) == []


def test_a_run_s_level_is_the_median_of_its_invocations() -> None:
    assert level([2.0]) == Level(2.0, None)
    assert level([1.0, 2.0, 9.0]).value == 2.0


@pytest.mark.parametrize("count", [2, 3, 5, 12])
def test_a_level_s_standard_error_is_that_of_repeated_medians(count: int) -> None:
    rng = np.random.default_rng(count)
    samples = np.exp(0.02 * rng.standard_normal((4000, count)))
    found = [level(sample) for sample in samples]
    spread = np.std(np.log([one.value for one in found]))
    told = math.sqrt(np.mean([one.error_log**2 for one in found]))
    # The factor is that of large samples; of three values the median is a little better.
    assert told == pytest.approx(spread, rel=0.12)


@pytest.mark.parametrize("values", [[], [1.0, 0.0], [1.0, math.nan], [1.0, math.inf]])
def test_a_level_of_what_is_no_time_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="level needs"):
        level(values)
