"""Gates: a bound is met, failed or undecided by the whole interval, and what cannot be judged says so."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from harness.errors import UserError
from harness.plan.suite import Gate
from harness.publish.gates import judge


def row(**values):
    base = {"model": "m", "task": "t", "approach": "ptq_static[x=50]", "backend": "fx", "status": "ok"}
    return {**base, "speedup": 2.0, "speedup_low": 1.9, "speedup_high": 2.1, "criterion": "met", **values}


def state(require, *rows, match=None, when=None, isa=()):
    gate = Gate("g", require, match or {}, when or {})
    (outcome,) = judge([gate], pd.DataFrame(rows), isa)
    return outcome.state


@pytest.mark.parametrize(
    ("expression", "expected"),
    [(">= 1.5", "met"), (">= 1.9", "met"), (">= 2.0", "undecided"), (">= 2.2", "failed"), ("< 2.1", "undecided")],
)
def test_a_bound_is_judged_by_the_whole_interval(expression, expected):
    assert state({"speedup": expression}, row()) == expected


def test_without_an_interval_the_value_decides():
    assert state({"speedup": ">= 2"}, row(speedup_low=math.nan, speedup_high=math.nan)) == "met"
    assert state({"speedup": ">= 2.01"}, row(speedup_low=None, speedup_high=None)) == "failed"


def test_a_missing_value_fails_rather_than_passes():
    assert state({"speedup": ">= 0"}, row(speedup=math.nan)) == "failed"
    assert state({"criterion": "!= failed"}, row(criterion=None)) == "failed"


def test_one_failed_row_fails_the_gate_and_excluded_rows_do_not_count():
    assert state({"criterion": "!= failed"}, row(), row(criterion="failed")) == "failed"
    assert state({"criterion": "!= failed"}, row(), row(criterion="failed", status="excluded")) == "met"
    assert state({"speedup": ">= 2"}, row(), row(speedup=9.0, speedup_low=8.0, speedup_high=10.0)) == "undecided"


def test_rows_are_picked_by_option_whatever_its_overridden_fields():
    assert state({"speedup": ">= 9"}, row(), match={"approach": ("ptq_static",)}) == "failed"
    assert state({"speedup": ">= 9"}, row(), match={"approach": ("qat",)}) == "skipped"


def test_a_gate_that_needs_an_instruction_set_is_skipped_without_it():
    assert state({"speedup": ">= 9"}, row(), when={"isa": "avx512_vnni"}) == "skipped"
    assert state({"speedup": ">= 9"}, row(), when={"isa": "avx512_vnni"}, isa=["avx512_vnni"]) == "failed"


@pytest.mark.parametrize(
    ("require", "words"),
    [({"sped": ">= 1"}, "did you mean 'speedup'"), ({"speedup": "about 2"}, "no expression")],
)
def test_a_mistaken_gate_is_one_clear_line(require, words):
    with pytest.raises(UserError, match=words):
        state(require, row())
