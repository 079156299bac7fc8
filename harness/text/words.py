"""How a person reads numbers of things."""

from __future__ import annotations


def counted(number: int, name: str) -> str:
    """Return a number with its noun, such as ``1 core`` or ``2 cores``."""
    return f"{number} {name}" + ("s" if number != 1 else "")
