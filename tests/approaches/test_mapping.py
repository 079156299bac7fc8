"""The formulae against their published properties, and PyTorch's own quantizers against the formulae."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.approaches import mapping
from harness.approaches.mapping import affine, codes, dequantize, quantize, symmetric
from tests.backend_env import environment_python, program_text, run_in

SCHEMES = {"affine": affine, "symmetric": symmetric}
VALUES = st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=40).map(np.array)
KINDS = [(scheme, dtype, reduce) for scheme in SCHEMES for dtype in ("int8", "uint8") for reduce in (False, True)]


@pytest.mark.parametrize(("scheme", "dtype", "reduce_range"), KINDS)
@given(values=VALUES)
def test_no_number_in_the_range_moves_by_more_than_half_a_step(scheme, dtype, reduce_range, values):
    found = SCHEMES[scheme](values.min(), values.max(), codes(dtype, reduce_range))
    coded = quantize(values, found)
    assert coded.min() >= found.codes.smallest and coded.max() <= found.codes.largest
    inside = (coded > found.codes.smallest) & (coded < found.codes.largest)
    error = np.abs(dequantize(coded, found) - values)
    step = float(found.scale)
    assert np.all(error[inside] <= step / 2 * (1 + 1e-9))
    # The rounded zero point shifts the ends by half a step, and a symmetric range has one code more below 0.
    assert np.all(error <= 1.0001 * step)


@pytest.mark.parametrize(("scheme", "dtype", "reduce_range"), KINDS)
@given(values=VALUES)
def test_zero_has_a_code_of_its_own(scheme, dtype, reduce_range, values):
    found = SCHEMES[scheme](values.min(), values.max(), codes(dtype, reduce_range))
    assert dequantize(quantize(np.zeros(1), found), found) == 0.0


def test_scales_and_zero_points_are_those_of_the_equations():
    assert float(affine(-1.0, 1.55, codes("int8")).scale) == pytest.approx(2.55 / 255)
    assert int(affine(-1.0, 1.55, codes("int8")).zero_point) == -128 + 100
    assert int(affine(-1.0, 1.55, codes("uint8")).zero_point) == 100
    assert float(symmetric(-1.0, 1.55, codes("uint8")).scale) == pytest.approx(3.1 / 255)
    assert int(symmetric(-1.0, 1.55, codes("uint8")).zero_point) == 128
    assert int(symmetric(-1.0, 1.55, codes("int8")).zero_point) == 0
    # A range that lies on one side of 0 is widened to it.
    assert float(affine(2.0, 5.1, codes("uint8")).scale) == pytest.approx(5.1 / 255)


@pytest.mark.parametrize(
    ("scheme", "dtype", "decibels"), [("affine", "int8", 39.9), ("affine", "uint8", 39.9), ("symmetric", "uint8", 39.2)]
)
def test_noise_on_a_shifted_normal_is_what_the_right_equations_give(scheme, dtype, decibels):
    # With 127 in the place of 255, or half the symmetric scale, it would be 33.9 and 24.8 dB.
    values = np.random.default_rng(0).normal(0.3, 1.0, 100_000)
    found = SCHEMES[scheme](values.min(), values.max(), codes(dtype))
    ratio = mapping.signal_to_noise_db(values, dequantize(quantize(values, found), found))
    assert ratio == pytest.approx(decibels, abs=1.0)


def test_seven_bits_do_not_saturate_sixteen():
    for reduce_range, fits in ((False, False), (True, True)):
        assert (2 * codes("uint8", reduce_range).largest * codes("int8").largest <= 32767) == fits


def test_a_row_of_weights_has_its_own_scale():
    weights = np.array([[1.0, -2.0], [0.01, 0.02]])
    found = symmetric(weights.min(axis=1), weights.max(axis=1), codes("int8"))
    np.testing.assert_allclose(found.scale, [4 / 255, 0.04 / 255])
    np.testing.assert_allclose(dequantize(quantize(weights, found), found), weights, rtol=0.01)


@pytest.mark.parametrize("ends", [(np.nan, 1.0), (0.0, np.inf), (2.0, 1.0)])
def test_a_range_without_order_is_refused(ends):
    with pytest.raises(ValueError, match="finite ends in order"):
        affine(*ends, codes("int8"))


_TORCH = program_text(__file__, "mapping_torch")


@pytest.mark.backend("torch")
def test_pytorchs_quantizers_are_the_same():
    ranges = [(-1.0, 1.55), (0.5, 3.0), (-4.0, -1.0), (-0.3, 7.0), (-7.0, 0.3)]
    cases = [(scheme, dtype, *ends) for scheme in SCHEMES for dtype in ("int8", "uint8") for ends in ranges]
    for case, theirs in zip(cases, run_in(environment_python("torch"), _TORCH, cases), strict=True):
        scheme, dtype, low, high = case
        scale, zero_point, values, coded = theirs
        ours = SCHEMES[scheme](np.float32(low), np.float32(high), codes(dtype))
        assert scale == pytest.approx(float(ours.scale), rel=1e-6), case
        assert zero_point == int(ours.zero_point), case
        difference = np.abs(np.array(coded) - quantize(np.array(values), ours))
        # torch multiplies by 1 / S in FP32, which decides a tie the other way now and then.
        assert difference.max() <= 1 and difference.mean() < 0.05, case
