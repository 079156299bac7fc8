"""Records: each type fits its schema, and nothing else does."""

from __future__ import annotations

import copy
import inspect
import json
import math
import re
from typing import Any

import pytest
import sample_records
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from harness.errors import FAILURE_KINDS
from harness.plan.config import AXES
from harness.results import record

SCHEMA = json.loads(record.SCHEMA_FILE.read_text())
TYPES = [part["$ref"].rpartition("/")[2] for part in SCHEMA["oneOf"]]
#: jsonschema as it is, over the schema as others would use it: the independent judge of our shortcuts.
PLAIN = Draft202012Validator(SCHEMA)


def test_schema_is_a_valid_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_there_is_a_sample_of_each_type() -> None:
    assert [line["type"] for line in sample_records.all_types()] == TYPES


@pytest.mark.parametrize("line", sample_records.all_types(), ids=TYPES)
def test_a_line_is_read_back_as_it_was(line: record.Record) -> None:
    encoded = record.encode(line)
    assert encoded.isascii() and encoded.count(b"\n") == 1 and encoded.endswith(b"\n")
    assert json.loads(encoded) == line
    PLAIN.validate(json.loads(encoded))


@pytest.mark.parametrize("kind", TYPES)
def test_parameters_are_the_fields_of_the_schema(kind: str) -> None:
    fields = set(inspect.signature(getattr(record, kind)).parameters)
    assert fields | {"type", "schema", "time"} == set(SCHEMA["$defs"][kind]["properties"])


@pytest.mark.parametrize("line", sample_records.all_types(), ids=TYPES)
def test_time_is_utc_with_milliseconds(line: record.Record) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])


def test_kinds_and_axes_are_those_of_the_code() -> None:
    assert tuple(SCHEMA["$defs"]["failure"]["properties"]["kind"]["enum"]) == FAILURE_KINDS
    axis = SCHEMA["$defs"]["header"]["properties"]["options"]["items"]["properties"]["axis"]
    assert tuple(axis["enum"]) == tuple(AXES)


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
    with pytest.raises(ValueError, match=r"\$\.series: .*is not of type 'array'") as raised:
        record.check(line)
    assert len(str(raised.value)) < 400


ITEMS = st.one_of(st.integers(-2, 5), st.floats(allow_nan=False), st.booleans(), st.none(), st.text(max_size=2))
SCHEMAS = st.fixed_dictionaries(
    {"type": st.sampled_from(["integer", "number", "string", ["integer", "null"], ["number", "null"]])},
    optional={"minimum": st.integers(-1, 2)},
)


@settings(deadline=None)
@given(st.one_of(st.lists(ITEMS, max_size=6), st.lists(st.integers(-2, 5)), st.lists(st.floats(-2, 2))), SCHEMAS)
def test_the_quick_check_of_lists_agrees_with_jsonschema(values: list, items: dict) -> None:
    quick = type(next(iter(record._validators().values())))({"items": items})
    plain = extend(Draft202012Validator, type_checker=record.TYPES)
    assert quick.is_valid(values) == plain({"items": items}).is_valid(values)


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
