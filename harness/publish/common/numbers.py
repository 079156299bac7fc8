"""Numbers as text, with as many digits as their interval supports."""

from __future__ import annotations

import math
from typing import Any, TypeGuard, TypeVar

_Value = TypeVar("_Value")

#: Stands where there is no number.
NOTHING = "-"

#: One digit of an uncertainty says enough, unless it is a 1, where rounding could change it by half.
_TWO_DIGITS_BELOW = 2
_MOST_DECIMALS = 4


def is_known(value: _Value | None) -> TypeGuard[_Value]:
    """Say whether a table's value is there: neither None nor NaN."""
    return value is not None and value == value


def stable(value: Any) -> Any:
    """Round a number to ten digits: the last bits of a sum are the maths library's, and a table must not show them."""
    return float(f"{value:.10g}") if isinstance(value, float) else value


def decimals(value: float, low: float | None = None, high: float | None = None, digits: int = 3) -> int:
    """Return how many decimals to show: as many as half the interval supports, at least `digits` significant ones."""
    wanted = digits - 1 - (math.floor(math.log10(abs(value))) if value else 0) if digits else 0
    if is_known(low) and is_known(high) and high > low:
        half = (high - low) / 2
        exponent = math.floor(math.log10(half))
        wanted = max(wanted, (1 if half / 10**exponent < _TWO_DIGITS_BELOW else 0) - exponent)
    return min(max(wanted, 0), _MOST_DECIMALS)


def number(value: Any, places: int = 0, unit: str = "", signed: bool = False) -> str:
    """Return ``2.06x``, ``86.2`` or ``-`` for what is not known; never a minus before zero."""
    if not is_known(value):
        return NOTHING
    text = f"{value:+.{places}f}" if signed else f"{value:.{places}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text + unit


def ends(low: Any, high: Any, places: int = 0, signed: bool = False) -> str:
    """Return ``[2.01, 2.11]``, or nothing where there is no interval."""
    if not (is_known(low) and is_known(high)):
        return ""
    return f"[{number(low, places, signed=signed)}, {number(high, places, signed=signed)}]"


def share(value: Any) -> str:
    """Return a share as percent; what is short of all never reads 100."""
    if not is_known(value):
        return NOTHING
    text = f"{100 * value:.1f}"
    return ">99.9" if text == "100.0" and value < 1 else text


def p_value(value: Any) -> str:
    """Return a p-value with three decimals; a smaller one as what it is below."""
    return NOTHING if not is_known(value) else "<0.001" if value < 0.001 else f"{value:.3f}"


def blocks(measured: int, wanted: int) -> str:
    """Return ``3/4``, or ``4+1`` where more than were wanted are measured."""
    return f"{wanted}+{measured - wanted}" if measured > wanted else f"{measured}/{wanted}"
