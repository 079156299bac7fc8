"""Calibration rows: exactly as many as asked for, each once, the same in every process."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.approaches.calibration import choose
from harness.config.schema import CalibrationConfig
from harness.errors import StageError


@given(
    lengths=st.lists(st.integers(1, 128), min_size=1, max_size=60).map(np.array),
    batch_size=st.integers(1, 20),
    seed=st.integers(0, 9),
    data=st.data(),
)
def test_exactly_the_samples_asked_for_each_once(lengths, batch_size, seed, data):
    samples = data.draw(st.integers(1, len(lengths)))
    config = CalibrationConfig(samples=samples, batch_size=batch_size, seed=seed)
    chosen = choose(lengths, config)
    assert len(chosen.rows) == len(set(chosen.rows.tolist())) == samples
    assert all(len(batch) <= batch_size for batch in chosen.batches)
    assert np.all(np.diff(lengths[chosen.rows]) <= 0)
    assert choose(lengths, config).provenance() == chosen.provenance()


def test_another_seed_shows_other_rows():
    lengths = np.full(1000, 20)
    one, other = (choose(lengths, CalibrationConfig(samples=100, seed=seed)) for seed in (0, 1))
    assert one.provenance()["rows_sha256"] != other.provenance()["rows_sha256"]


@pytest.mark.parametrize("samples", [0, 6])
def test_more_rows_than_there_are_is_one_line(samples):
    with pytest.raises(StageError, match=f"samples={samples}: want 1 to 5"):
        choose(np.full(5, 3), CalibrationConfig(samples=samples))
