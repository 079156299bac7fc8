"""The README of the format names each field of the schema, and no other."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import FAILURE_KINDS
from harness.execute.host import Cache, Host, NumaNode
from harness.publish import costs, coverage, placements, scenarios, tunings
from harness.publish.rows import COLUMNS
from harness.results import record

README = (Path(__file__).resolve().parents[2] / "results" / "README.md").read_text()
SCHEMA = json.loads(record.SCHEMA_FILE.read_text())
TYPES = [part["$ref"].rpartition("/")[2] for part in SCHEMA["oneOf"]]


def fields(schema: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, bool]]:
    """Yield each field's path, as the README writes it, and whether it must be there."""
    for name, part in schema.get("properties", {}).items():
        yield prefix + name, name in schema["required"]
        yield from fields(part, f"{prefix}{name}.")
        yield from fields(part.get("items", {}), f"{prefix}{name}[].")


def section(title: str) -> str:
    found = re.search(rf"^##+ {title}.*?(?=^##+ |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, f"no section {title}"
    return found[0]


@pytest.mark.parametrize("kind", TYPES)
def test_each_field_has_a_row_with_a_type_and_a_meaning(kind: str) -> None:
    rows = re.findall(r"^\| `([\w.\[\]]+)` \| (.+?) \| (.+?) \|$", section(f"`{kind}`"), re.MULTILINE)
    described = {name: "*optional*" not in meaning for name, _, meaning in rows if name not in FAILURE_KINDS}
    assert described == dict(fields(SCHEMA["$defs"][kind]))


def test_each_failure_kind_is_explained() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", section("`failure`"), re.MULTILINE)
    assert rows == list(FAILURE_KINDS)


def test_each_value_of_an_enumeration_is_named() -> None:
    for kind in TYPES:
        text = section(f"`{kind}`")
        for values in re.findall(r'"enum": (\[[^\]]*\])', json.dumps(SCHEMA["$defs"][kind])):
            for value in json.loads(values):
                assert re.search(rf"\b{value}\b", text), f"{kind}: {value}"


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


def test_each_field_of_a_placement_is_named() -> None:
    text = section("`invocation`")
    for name in SCHEMA["$defs"]["placement"]["properties"]:
        assert f"`{name}`" in text, name
