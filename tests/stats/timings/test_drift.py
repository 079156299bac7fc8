"""What the timed series of several invocations show together of a drift."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats.timings import drift


def series(random: np.random.Generator, invocations: int, noise: float, ramp: float) -> list[np.ndarray]:
    """Return invocations of twelve iterations that rise by a share."""
    rise = np.log1p(ramp) * np.arange(12) / 12
    return [150e6 * np.exp(rise + random.normal(0, noise, 12)) for _ in range(invocations)]


@pytest.mark.parametrize(("noise", "least"), [(0.02, 0.93), (0.05, 0.9)])
def test_stationary_invocations_exclude_a_ramp_together(noise, least):
    random = np.random.default_rng(0)
    found = [drift.is_excluded(series(random, 8, noise, 0.0)) for _ in range(100)]
    assert np.mean(found) >= least


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("ramp", [0.2, -0.2])
def test_a_ramp_is_not_excluded_whatever_the_noise(noise, ramp):
    random = np.random.default_rng(1)
    found = [drift.is_excluded(series(random, 4, noise, ramp)) for _ in range(100)]
    assert np.mean(found) <= 0.1


def test_a_small_but_sure_drift_is_no_steady_state():
    assert not drift.is_excluded(series(np.random.default_rng(2), 10, 0.001, 0.05))


def test_few_invocations_or_iterations_show_nothing():
    random = np.random.default_rng(3)
    assert not drift.is_excluded(series(random, 3, 0.001, 0.0))
    assert not drift.is_excluded([[100, 101]] * 8)
    assert drift.is_excluded(series(random, 4, 0.001, 0.0))
