from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.publish.common.numbers import decimals, ends, number, p_value, share


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (2.0601, 2.01, 2.11, "2.06 [2.01, 2.11]"),
        (86.21, 84.68, 87.71, "86.2 [84.7, 87.7]"),
        (184.3, 177.2, 188.4, "184 [177, 188]"),
        (7.25, 7.0789, 7.5259, "7.25 [7.08, 7.53]"),
        (13.42357, 13.42341, 13.42373, "13.4236 [13.4234, 13.4237]"),
        (1532.2, None, None, "1532"),
        (0.5, math.nan, math.nan, "0.500"),
        (0.0, 0.0, 0.0, "0.00 [0.00, 0.00]"),
    ],
)
def test_digits_follow_the_interval(value, low, high, text):
    places = decimals(value, low, high)
    assert f"{number(value, places)} {ends(low, high, places)}".strip() == text


@given(st.floats(0.01, 1000), st.floats(0.001, 100), st.floats(0.001, 100))
def test_rounding_never_hides_the_width(value, below, above):
    assume((below + above) / value > 0.002)
    low, high = value - below, value + above
    places = decimals(value, low, high)
    rounded = float(number(high, places)) - float(number(low, places))
    assert rounded == pytest.approx(high - low, rel=0.75)
    assert rounded > 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (number(None), "-"),
        (number(math.nan, 2, "x"), "-"),
        (number(-0.0004, 1), "0.0"),
        (number(-0.0004, 1, signed=True), "0.0"),
        (number(0.25, 2, signed=True), "+0.25"),
        (ends(None, 2.0), ""),
        (ends(-0.01, 0.5, 1, signed=True), "[0.0, +0.5]"),
        (share(0.9996), ">99.9"),
        (share(1.0), "100.0"),
        (share(0.987), "98.7"),
        (share(None), "-"),
        (p_value(0.0004), "<0.001"),
        (p_value(0.6875), "0.688"),
        (p_value(math.nan), "-"),
    ],
)
def test_wording(text, expected):
    assert text == expected
