"""Ranges derived offline are those that an observer of the values themselves would have kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.approaches.mapping import codes, dequantize, quantize
from harness.approaches.observers import MagnitudeHistogram
from harness.config.schema import QuantizerConfig
from harness.errors import StageError
from harness.tuning.ranges import OBSERVERS, load, mapping, observed_range, save

UINT8 = codes("uint8")
VALUES = np.random.default_rng(0).standard_t(3, 20000).astype(np.float32)


def seen(values: np.ndarray) -> MagnitudeHistogram:
    histogram = MagnitudeHistogram()
    for part in np.array_split(values, 7):
        histogram.add(part)
    return histogram


def error(values: np.ndarray, config: QuantizerConfig) -> float:
    found = mapping(config, seen(values), UINT8)
    return float(np.mean((dequantize(quantize(values.astype(np.float64), found), found) - values) ** 2))


def config(observer: str, scheme: str = "affine", percentile: float = 99.9) -> QuantizerConfig:
    return QuantizerConfig(dtype="uint8", observer=observer, scheme=scheme, percentile=percentile)


def test_minmax_keeps_both_ends() -> None:
    assert observed_range(config("minmax"), seen(VALUES), UINT8) == (float(VALUES.min()), float(VALUES.max()))


def test_a_percentile_clips_at_the_percentile_of_the_magnitudes() -> None:
    low, high = observed_range(config("percentile"), seen(VALUES), UINT8)
    wanted = np.quantile(np.abs(VALUES), 0.999)
    assert -low == pytest.approx(wanted, rel=0.02) and high == pytest.approx(wanted, rel=0.02)


@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
@pytest.mark.parametrize("values", [VALUES, np.abs(VALUES), VALUES + 5], ids=["both signs", "positive", "shifted"])
def test_mse_has_the_least_error_of_all_thresholds(values: np.ndarray, scheme: str) -> None:
    found = error(values, config("mse", scheme))
    histogram = seen(values)
    make = mapping(config("minmax", scheme), histogram, UINT8)
    tried = [found]
    for threshold in np.linspace(0.05, 1.0, 60) * np.abs(values).max():
        clipped = MagnitudeHistogram()
        clipped.add(np.array(histogram.clipped(threshold)))
        make = mapping(config("minmax", scheme), clipped, UINT8)
        tried.append(float(np.mean((dequantize(quantize(values.astype(np.float64), make), make) - values) ** 2)))
    assert found <= 1.05 * min(tried)


@pytest.mark.parametrize("observer", ["percentile", "kl"])
def test_a_lone_outlier_is_clipped_away(observer: str) -> None:
    values = VALUES.copy()
    values[0] = 400.0
    scales = [mapping(config(name), seen(values), UINT8).scale for name in (observer, "minmax")]
    assert scales[0] < scales[1] / 4


def test_an_outlier_that_would_cost_more_than_the_steps_it_makes_is_kept() -> None:
    values = VALUES.copy()
    values[0] = 400.0
    # Clipped to the next largest it would cost (400 - 20)**2 / 20000 = 7; a step of 400 / 255 costs 0.2.
    assert observed_range(config("mse"), seen(values), UINT8)[1] > 300


@pytest.mark.parametrize("observer", OBSERVERS)
def test_a_tensor_of_zeros_has_a_scale(observer: str) -> None:
    assert mapping(config(observer), seen(np.zeros(100, np.float32)), UINT8).scale > 0


def test_what_cannot_be_derived_is_named() -> None:
    with pytest.raises(StageError, match="did you mean 'minmax'"):
        observed_range(config("minmx"), seen(VALUES), UINT8)
    with pytest.raises(StageError, match="did you mean 'affine'"):
        mapping(config("minmax", "afine"), seen(VALUES), UINT8)
    with pytest.raises(StageError, match="never shown"):
        observed_range(config("minmax"), MagnitudeHistogram(), UINT8)


def test_saved_histograms_give_the_same_ranges(tmp_path: Path) -> None:
    made = {"layer.input": seen(VALUES), "layer.output": seen(np.abs(VALUES) + 1)}
    save(made, tmp_path / "ranges.npz")
    loaded = load(tmp_path / "ranges.npz")
    assert loaded.keys() == made.keys()
    for name in made:
        for observer in OBSERVERS:
            one, other = (observed_range(config(observer), side[name], UINT8) for side in (made, loaded))
            assert one == other
