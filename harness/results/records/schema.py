"""The JSON Schema of a line, for others who read or write runs: generated from :mod:`harness.results.records.kinds`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from harness.results.records.kinds import TYPES

#: The schema as it is shipped. ``python -m tests.results.records_pages`` writes it anew.
FILE = Path(__file__).with_name("record.schema.json")


def generated() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of one line of a run."""
    references, parts = msgspec.json.schema_components(list(TYPES.values()), ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:lowp-harness:record:1",
        "title": "One line of a run",
        "description": "A run is one file of such lines. Integers are written without a decimal point.",
        "oneOf": list(references),
        "$defs": _ordered(parts),
    }


def text() -> str:
    """Return the content of :data:`FILE`."""
    return json.dumps(generated(), indent=1, ensure_ascii=False) + "\n"


def _ordered(value: Any) -> Any:
    """Return a schema with its alternatives in an order of their own: that of msgspec differs between its versions."""
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    if not isinstance(value, dict):
        return value
    ordered = {name: _ordered(item) for name, item in value.items()}
    if "anyOf" in ordered:
        ordered["anyOf"].sort(key=lambda one: (one.get("type") == "null", json.dumps(one)))
    return ordered
