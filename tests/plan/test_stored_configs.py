"""A config that a record has stored is held against its schema as one of `conf/` is."""

from __future__ import annotations

import dataclasses
import json

import pytest

from harness.config.schema import AXES
from harness.errors import UserError
from harness.plan.catalogue import catalogue
from harness.plan.compose import options, stored


def test_a_stored_config_is_held_against_its_schema():
    for axis in AXES:
        for name in catalogue().names(axis):
            if name == "custom":  # it waits for its source
                continue
            (option,) = options(catalogue(), axis, name, {})
            as_recorded = json.loads(json.dumps(dataclasses.asdict(option.config)))
            assert stored(axis, as_recorded, name) == option.config


@pytest.mark.parametrize("text", ["${oc.env:HOME}", "${.name}", "a\\${b}", "a\\\\${"])
def test_what_looks_like_a_reference_is_never_filled_in(text):
    (option,) = options(catalogue(), "task", "sentiment", {"options": [{"a": [1]}]})
    recorded = json.loads(json.dumps(dataclasses.asdict(option.config)))
    given = {**recorded, "text": text, "labels": ["a", text], "options": {"a": [{"b": text}]}}
    built = stored("task", given, "sentiment")
    assert (built.text, built.labels, built.options) == (text, ("a", text), {"a": [{"b": text}]})


@pytest.mark.parametrize(
    ("axis", "values", "words"),
    [
        ("task", {"name": "t", "no": 1}, r"task\.no: no such field"),
        ("task", {"name": "t", "max_length": "many"}, r"task\.max_length=many: want a whole number"),
        ("task", {"name": "t", "max_length": 1}, r"task\.max_length=1: want at least 2"),
        ("task", {"name": "${oc.env:HOME}"}, r"task\.name=\$\{oc\.env:HOME\}: want letters, digits"),
        ("task", {"name": "t", "max_length": "${oc.env:HOME}"}, r"task\.max_length: .*want a whole number"),
        ("task", {}, "field name is missing"),
        ("task", {"name": "t", "source": 3}, r"task\.source"),
        ("backend", {"name": "eager", "environment": "torch", "variables": "x"}, r"backend\.variables"),
        (
            "backend",
            {"name": "eager", "environment": "torch", "variables": {"LD_PRELOAD": "x"}},
            "no config may set it",
        ),
        ("backend", {"name": "../eager", "environment": "torch"}, "want letters, digits"),
        ("host", {"name": "h", "cores": [-1]}, r"host\.cores=-1: want at least 0"),
    ],
)
def test_a_stored_config_that_is_none_is_one_line(axis, values, words):
    with pytest.raises(UserError, match=words) as error:
        stored(axis, values, "label")
    assert len(str(error.value).splitlines()) == 1


def test_a_stored_config_that_is_nested_without_end_is_one_line():
    values: dict = {}
    for _ in range(5000):
        values = {"a": values}
    with pytest.raises(UserError, match="nested too deeply"):
        stored("task", {"name": "t", "options": values}, "label")
