"""The learning rate of quantization-aware training and the step from which its ranges stand still."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.approaches.training import freeze_at, learning_rate
from harness.config.schema import QatConfig


def test_the_rate_rises_for_a_tenth_of_the_steps_and_falls_to_nothing():
    config = QatConfig(steps=20, learning_rate=1.0)
    wanted = [0.5, 1.0, *((20 - step) / 18 for step in range(2, 20))]
    assert [learning_rate(step, config) for step in range(20)] == pytest.approx(wanted)


@given(steps=st.integers(1, 500), rate=st.floats(1e-7, 1.0))
def test_every_step_learns_and_none_faster_than_asked(steps: int, rate: float):
    config = QatConfig(steps=steps, learning_rate=rate)
    rates = [learning_rate(step, config) for step in range(steps)]
    assert min(rates) > 0
    assert max(rates) == pytest.approx(rate)


@pytest.mark.parametrize(("share", "step"), [(0.0, 1), (0.05, 1), (0.75, 15), (1.0, 20)])
def test_ranges_stand_still_after_a_share_of_the_steps_but_see_the_first(share: float, step: int):
    assert freeze_at(QatConfig(steps=20, freeze_observers_at=share)) == step
