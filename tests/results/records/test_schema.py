"""The generated schema and pages are current, and the schema accepts what a reader accepts: jsonschema is the judge."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.validators import extend

from harness.errors import UserError
from harness.results import lines
from harness.results.records import record, schema
from harness.results.records.kinds import TYPES
from tests.results import records_pages
from tests.results.records import sample_records

RESULTS = Path(__file__).resolve().parents[3] / "results"

FORMATS = FormatChecker(formats=())
FORMATS.checks("utc-milliseconds", raises=(ValueError, TypeError))(lambda text: bool(datetime.fromisoformat(text)))

#: JSON Schema takes 2.0 for an integer, but readers count and cut with integers.
STRICT = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
JUDGE = extend(Draft202012Validator, type_checker=STRICT)(schema.generated(), format_checker=FORMATS)


def test_the_shipped_schema_is_what_the_types_give() -> None:
    assert schema.FILE.read_text(encoding="utf-8") == schema.text(), "run python -m tests.results.records_pages"
    Draft202012Validator.check_schema(schema.generated())


def test_the_tables_of_the_reference_are_what_the_types_give() -> None:
    page = records_pages.REFERENCE.read_text(encoding="utf-8")
    assert page == records_pages.reference(page), "run python -m tests.results.records_pages"


def test_a_table_names_each_field_with_its_type_and_whether_it_must_be_there() -> None:
    rows = records_pages.table("invocation").splitlines()
    assert "| `block` | integer | from 0; speed-ups are paired within a block |" in rows
    assert "| `series[].sequence_length` | integer or null | tokens a row, padding included; null for images, and" in (
        "\n".join(row[:103].rstrip() for row in rows)
    )
    assert any(row.startswith("| `placement.bound` | boolean | ") for row in rows)
    assert any(re.match(r"\| `ring` \| list of integers \| \*optional\*; ", row) for row in rows)


def test_a_page_without_a_heading_of_each_type_is_refused() -> None:
    page = records_pages.REFERENCE.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="'### `peak`"):
        records_pages.reference(page.replace("### `peak`: ", "### peak: "))


def test_what_the_code_holds_of_each_field_is_said_in_the_schema() -> None:
    for part in schema.generated()["$defs"].values():
        assert part["additionalProperties"] is False and part["description"]
        for name, field in part["properties"].items():
            assert name == "type" or field["description"], (part["title"], name)


def stored() -> list[dict[str, Any]]:
    """Return records of the stored runs, of each type one of each set of fields, their lists short; and the samples."""
    found: dict[str, dict[frozenset, Any]] = {kind: {} for kind in TYPES}
    for path in sorted((RESULTS / "runs").glob("*.jsonl")):
        for line in lines.of(path):
            one = json.loads(line)
            found[one["type"]].setdefault(frozenset(one), one)
    samples = [json.loads(record.encode(one)) for one in sample_records.all_types()]
    return [short(one) for kind in found.values() for one in kind.values()] + samples


def short(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: short(item) for name, item in value.items()}
    return [short(item) for item in value[:3]] if isinstance(value, list) else value


def places(value: Any, at: tuple = ()) -> Iterator[tuple]:
    """Yield the path of everything in a record."""
    for name, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*at, name)
        yield from places(item, (*at, name))


BASE = stored()

#: Number of a record and the path of something in it: each field once, whichever option, cell or series it is in.
PLACES = list(
    {
        (one["type"], *("[]" if isinstance(step, int) else step for step in place)): (number, place)
        for number, one in enumerate(BASE)
        for place in places(one)
    }.values()
)

VALUES = st.one_of(
    st.sampled_from(
        [
            *(None, True, False, 0, 1, -1, 2**63, 2**64 - 1, 0.0, 1.0, 0.5, -0.5, 2.0, 1e30, "", "x", "a\n", "\ud800"),
            *("ok", "server", "offline", "A", "header", "end", "0" * 64, "0" * 64 + "\n", "2026-11-30T10:00:00.000Z"),
            *("2026-99-99T99:99:99.999Z", "2026-02-29T10:00:00.000Z", "2026-11-30T10:00:00.000Z\n", "a/b", "a" * 201),
            *([], {}, [1], [0], [1, 2], [1.5], [None], ["a"], [[1]], {"a": 1}, {"a": "x"}, {"a": [1]}, {"a": None}),
            *({"user_ticks": [1]}, {"frequency_khz": 1}, {"frequency_khz": [1, None]}, {"a/b": "x"}, {"\ud800": 1}),
        ]
    ),
    st.integers(-3, 3),
    st.floats(-2, 2),
    st.text(max_size=3),
)


def accepted(one: dict[str, Any]) -> bool:
    """Say whether a reader takes a record for one of its type."""
    try:
        record.check(lines.parsed(json.dumps(one).encode(), Path("x"), 1))
    except (UserError, ValueError):
        return False
    return True


@pytest.mark.parametrize("one", BASE, ids=lambda one: one["type"])
def test_the_stored_records_are_accepted_by_both(one: dict[str, Any]) -> None:
    assert accepted(one)
    JUDGE.validate(one)


INVOCATION = json.loads(record.encode(sample_records.invocation()))


@pytest.mark.parametrize(
    "change",
    [
        {"time": "2026-02-29T10:00:00.000Z"},
        {"replacement": False},
        {"system": {"before": {}, "after": {"user_ticks": [1]}}},
        {"system": {"before": {"frequency_khz": 1}, "after": {}}},
        {"placement": None},
        {"schema": 1.0},
    ],
    ids=str,
)
def test_what_the_code_checks_beside_the_types_is_in_the_schema(change: dict[str, Any]) -> None:
    assert accepted(INVOCATION) and JUDGE.is_valid(INVOCATION)
    assert not accepted(INVOCATION | change) and not JUDGE.is_valid(INVOCATION | change)


@settings(max_examples=300, deadline=None)
@given(
    where=st.sampled_from(PLACES),
    how=st.sampled_from(["change", "change", "change", "remove", "add", "repeat"]),
    value=VALUES,
    name=st.sampled_from(["surplus", "scenario", "placement", "metric", "user_ticks", "\ud800", "type"]),
)
def test_a_reader_accepts_what_the_schema_accepts(where: tuple, how: str, value: Any, name: str) -> None:
    number, place = where
    one = copy.deepcopy(BASE[number])
    parent = one
    for step in place[:-1]:
        parent = parent[step]
    if how == "remove":
        del parent[place[-1]]
    elif how == "add" and isinstance(parent, dict):
        parent[name] = value
    elif how == "repeat" and isinstance(parent, list):
        parent.append(parent[place[-1]])
    else:
        parent[place[-1]] = value
    assert accepted(one) == JUDGE.is_valid(one)
