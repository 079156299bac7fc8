"""Records: how they are made and written, and what is said of those that fit no type."""

from __future__ import annotations

import copy
import json
import math
import re
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from harness.results.records import record, schema
from harness.results.records.kinds import TYPES
from tests.results.records import sample_records

#: jsonschema as it is, over the schema as others would use it.
PLAIN = Draft202012Validator(schema.generated())


def test_there_is_a_sample_of_each_type() -> None:
    assert [line["type"] for line in sample_records.all_types()] == list(TYPES)


@pytest.mark.parametrize("line", sample_records.all_types(), ids=TYPES)
def test_a_line_is_read_back_as_it_was(line: record.Record) -> None:
    encoded = record.encode(line)
    assert encoded.isascii() and encoded.count(b"\n") == 1 and encoded.endswith(b"\n")
    assert json.loads(encoded) == line
    PLAIN.validate(json.loads(encoded))


def test_a_record_is_made_of_the_fields_of_its_type_alone() -> None:
    fields = {"cores": (0, 1), "threads": np.int64(2).item(), "int8_per_second": np.float64(4.5), "size": 8}
    made = record.peak(**fields, kernel="x")
    assert json.loads(record.encode(made)) == made | {"cores": [0, 1], "int8_per_second": 4.5}
    for wrong in ({}, {"kernel": "x", "surplus": 1}):
        with pytest.raises(TypeError, match="surplus" if wrong else "kernel"):
            record.peak(**fields, **wrong)


def test_an_optional_field_that_is_none_is_left_out_and_another_is_null() -> None:
    fields = {name: value for name, value in sample_records.failure().items() if name not in ("type", "schema", "time")}
    made = record.failure(**{**fields, "block": None, "scenario": None})
    assert made["block"] is None and "scenario" not in made


@pytest.mark.parametrize("line", sample_records.all_types(), ids=TYPES)
def test_time_is_utc_with_milliseconds(line: record.Record) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])


def objects(value: Any, path: tuple = ()) -> list[tuple]:
    """Return the path of each object whose fields the schema lists."""
    free = {"environments", "config", "baseline", "require", "match", "when", "provenance", "kernels", "counts"}
    free |= {"recipe", "loadgen"}
    if isinstance(value, list):
        return [found for index, item in enumerate(value) for found in objects(item, (*path, index))]
    if not isinstance(value, dict) or (path and path[-1] in free | {"before", "after"}):
        return []
    return [path, *(found for name, item in value.items() for found in objects(item, (*path, name)))]


def at(value: Any, path: tuple) -> Any:
    for part in path:
        value = value[part]
    return value


OPTIONAL = {"labels", "match", "when"}
PLACES = [(line, path) for line in sample_records.all_types() for path in objects(line)]
IDS = ["/".join(map(str, (line["type"], *path))) for line, path in PLACES]


@pytest.mark.parametrize(("line", "path"), PLACES, ids=IDS)
def test_a_missing_or_an_extra_field_is_refused(line: record.Record, path: tuple) -> None:
    for name in at(line, path):
        if path and name in OPTIONAL and path[0] in ("excluded", "gates"):
            continue
        damaged = copy.deepcopy(line)
        del at(damaged, path)[name]
        with pytest.raises(ValueError, match=name):
            record.encode(damaged)
    damaged = copy.deepcopy(line)
    at(damaged, path)["surplus"] = 1
    with pytest.raises(ValueError, match="surplus"):
        record.encode(damaged)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_refused_everywhere(bad: float) -> None:
    for place in (("wall_seconds",), ("system", "before", "steal_ticks"), ("series", 0, "latency_ns", 1)):
        line = sample_records.invocation()
        at(line, place[:-1])[place[-1]] = bad
        with pytest.raises(ValueError):
            record.encode(line)
    line = sample_records.accuracy() | {"predictions": [0.5, bad, 0.5]}
    with pytest.raises(ValueError):
        record.encode(line)


@pytest.mark.parametrize("kind", ["trail", None, [], 1])
def test_an_unknown_type_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match="no record type"):
        record.check(sample_records.end() | {"type": kind})


def test_a_message_names_the_field_and_stays_one_short_line() -> None:
    line = sample_records.invocation(iterations=10_000)
    line["series"][0]["latency_ns"][7_000] = "late"
    with pytest.raises(ValueError) as raised:
        record.check(line)
    assert "series[0].latency_ns[7000]" in str(raised.value)
    line["series"] = {"latency_ns": list(range(10_000))}
    with pytest.raises(ValueError, match=r"\$\.series: an object of 1, want a list") as raised:
        record.check(line)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    ("line", "change", "message"),
    [
        (sample_records.invocation(), {"replacement": False}, "replacement: False, want true or no such field"),
        (sample_records.invocation(), {"ring": [1]}, r"\$\.ring: a list of 1, want a list of length >= 2"),
        (sample_records.end(), {"status": "over\x1b"}, r"\$\.status: 'over\\x1b', want complete or interrupted"),
        (sample_records.end(), {"status": "\ud800"}, r"\$\.status: '\?', want complete or interrupted"),
        (
            sample_records.end(),
            {"counts": {"a": 1, "b": 2, "c\x1b": -1}},
            r"\$\.counts\.c\\x1b: -1, want a whole .* >= 0",
        ),
        (
            sample_records.end(),
            {"x\x1b` - at `$.a": 1},
            r"\$: unknown field 'x\\x1b|Object contains unknown field `x\\x1b",
        ),
        (sample_records.end(), {"\ud800": 1}, r"\$: unknown field '\?'"),
        (sample_records.header(placements={"a": [0], "b": [0, -1]}), {}, r"\$\.placements\.b\[1\]: -1, want"),
        (sample_records.header(), {"environments": {"a": "0", "/": "0"}}, r"\$\.environments: '/' is no identifier"),
        (sample_records.accuracy(), {"logits_sha256": "A"}, r"\$\.logits_sha256: 'A', want 64 hexadecimal digits"),
        (sample_records.scenario(), {"valid": None}, r"\$\.valid: null, want true or false"),
    ],
)
def test_a_message_says_what_stands_there_and_what_should(line: record.Record, change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        record.check(line | change)
    assert str(raised.value).isprintable() and len(str(raised.value)) < 300


def test_an_old_record_passes_every_step_to_the_current_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def minus_one_to_zero(old: record.Record) -> record.Record:
        milliseconds = old.pop("duration_ms")
        return old | {"schema": 0, "duration": milliseconds / 1000}

    def zero_to_one(old: record.Record) -> record.Record:
        seconds = old.pop("duration")
        return old | {"schema": 1, "seconds": seconds}

    monkeypatch.setattr(record, "MIGRATIONS", {-1: minus_one_to_zero, 0: zero_to_one})
    new = sample_records.end()
    old = {name: value for name, value in new.items() if name != "seconds"} | {"schema": -1, "duration_ms": 61_500}
    assert record.upgrade(old) == new


@pytest.mark.parametrize("version", [None, "1", [], 0, 1.5])
def test_a_version_without_a_migration_is_refused(version: Any) -> None:
    with pytest.raises(ValueError, match="schema is"):
        record.upgrade(sample_records.end() | {"schema": version})
