"""The fields of a config or a host's description, however deep, by one name each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def flatten(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted name -> value; a list is one value, but for one of objects, which go by their places."""
    return dict(_flatten(value, ""))


def _flatten(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for inner, item in value.items():
            yield from _flatten(item, f"{name}.{inner}" if name else str(inner))
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        for place, item in enumerate(value):
            yield from _flatten(item, f"{name}[{place}]")
    else:
        yield name, value
