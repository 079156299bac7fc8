"""The README of the format says what each value, kind of failure, fact of a host and column is."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from harness.errors import FAILURE_KINDS
from harness.host.describe import Cache, Host, NumaNode
from harness.publish.columns import costs, coverage, placements, scenarios, tunings
from harness.publish.table.rows import COLUMNS
from harness.results.records.kinds import TYPES

README = (Path(__file__).resolve().parents[2] / "results" / "README.md").read_text()


def section(title: str) -> str:
    found = re.search(rf"^##+ {title}.*?(?=^##+ |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, f"no section {title}"
    return found[0]


def test_each_failure_kind_is_explained() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", section("`failure`"), re.MULTILINE)
    assert rows == list(FAILURE_KINDS)


def values_of(kind: object) -> Iterator[object]:
    """Yield each value of the enumerations in a type."""
    for node in typing.get_args(kind):
        yield from typing.get_args(node) if typing.get_origin(node) is typing.Literal else values_of(node)
    if isinstance(kind, type) and issubclass(kind, Struct):
        for hint in typing.get_type_hints(kind, include_extras=True).values():
            yield from typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else values_of(hint)


@pytest.mark.parametrize("kind", TYPES)
def test_each_value_of_an_enumeration_is_named(kind: str) -> None:
    text = section(f"`{kind}`")
    values = list(values_of(TYPES[kind]))
    assert values
    for value in values:
        assert re.search(rf"\b{value}\b", text), value


def test_each_field_of_a_host_is_named() -> None:
    text = section("Hosts")
    for described in (Host, Cache, NumaNode):
        for field in dataclasses.fields(described):
            assert f"`{field.name}`" in text, field.name


def test_each_column_of_a_table_is_described_with_its_type() -> None:
    described = {}
    for names, kind in re.findall(r"^\| (`.+?`) \| (\w+) \| .+? \|$", section("Tables"), re.MULTILINE):
        described |= dict.fromkeys(re.findall(r"`(\w+)`", names), kind)
    kinds = {"string": "text", "Float64": "number", "Int64": "integer", "boolean": "boolean"}
    optional = (scenarios.COLUMNS, tunings.COLUMNS, coverage.COLUMNS, placements.COLUMNS, placements.TILE_COLUMNS)
    optional += (costs.OPTIONAL_COLUMNS,)
    columns = {name: kind for some in (COLUMNS, *optional) for name, kind in some.items()}
    assert described == {name: kinds[kind] for name, kind in columns.items()}
