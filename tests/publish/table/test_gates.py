"""Gates: a bound is met, failed or undecided by the whole interval, and what cannot be judged says so."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.plan.gate import Gate
from harness.publish.table.gates import exit_status, judge


def row(**values):
    base = {"model": "m", "task": "t", "approach": "ptq_static[x=50]", "backend": "fx", "status": "ok"}
    return {**base, "speedup": 2.0, "speedup_low": 1.9, "speedup_high": 2.1, "criterion": "met", **values}


def outcome(require, *rows, match=None, when=None, isa=()):
    gate = Gate("g", require, match or {}, when or {})
    (found,) = judge([gate], pd.DataFrame(rows), isa)
    return found


def state(require, *rows, **options):
    return outcome(require, *rows, **options).state


@pytest.mark.parametrize(
    ("expression", "expected"),
    [(">= 1.5", "met"), (">= 1.9", "met"), (">= 2.0", "undecided"), (">= 2.2", "failed"), ("< 2.1", "undecided")],
)
def test_a_bound_is_judged_by_the_whole_interval(expression, expected):
    assert state({"speedup": expression}, row()) == expected


@pytest.mark.parametrize("value", [0.5, 99.0])
@pytest.mark.parametrize("end", [math.nan, None])
def test_without_an_interval_nothing_is_decided(value, end):
    found = outcome({"speedup": ">= 2"}, row(speedup=value, speedup_low=end, speedup_high=end))
    assert found.state == "undecided" and "without an interval" in found.because


def test_what_has_no_sampling_error_is_decided_without_an_interval():
    assert state({"size_mb": "<= 30"}, row(size_mb=23.1)) == "met"
    assert state({"int8_ops": "== 38"}, row(int8_ops=37.0)) == "failed"


def test_the_bound_of_a_single_streams_percentile_is_its_upper_end():
    for limit, expected in (("<= 9", "met"), ("<= 7", "undecided"), ("> 9", "failed")):
        measured = row(single_stream_p99_ms=6.0, single_stream_p99_bound_ms=8.0)
        assert state({"single_stream_p99_ms": limit}, measured) == expected, limit


def test_a_missing_value_is_undecided_and_of_a_failed_cell_failed():
    assert state({"speedup": ">= 0"}, row(speedup=math.nan)) == "undecided"
    assert state({"criterion": "!= failed"}, row(criterion=None)) == "undecided"
    assert state({"server_per_s": ">= 1"}, row()) == "undecided"
    for status in ("oom", "timeout", "failed(crash)"):
        assert state({"speedup": ">= 0"}, row(speedup=math.nan, status=status)) == "failed"


@pytest.mark.parametrize("expression", ["!= failed", "== met", "!= met", "== failed"])
def test_an_undecided_criterion_decides_nothing(expression):
    assert state({"criterion": expression}, row(), row(criterion="undecided")) != "met"
    assert state({"criterion": expression}, row(criterion="undecided")) == "undecided"


def test_an_undecided_gate_names_every_row_that_is():
    rows = [row(criterion="undecided", backend=name) for name in ("fx", "itex")] + [row(backend="ipex")]
    found = outcome({"criterion": "!= failed"}, *rows)
    assert found.state == "undecided"
    assert "m/t/ptq_static[x=50]/fx" in found.because and "m/t/ptq_static[x=50]/itex" in found.because
    assert "ipex" not in found.because
    both = outcome({"criterion": "!= failed"}, *rows, row(criterion="failed", backend="openvino"))
    assert both.state == "failed" and both.because.index("openvino") < both.because.index("undecided: m/t")


@pytest.mark.parametrize("status", ["unstable", "disturbed", "pending"])
def test_timings_that_are_not_relied_on_decide_nothing_and_accuracy_does(status):
    shaky = row(status=status, value=0.9, value_low=0.88, value_high=0.92)
    assert state({"speedup": ">= 1.5"}, shaky) == state({"speedup": ">= 9"}, shaky) == "undecided"
    assert state({"value": ">= 0.85"}, shaky) == "met"


def test_a_status_is_asked_by_its_word_and_any_failure_by_failed():
    assert state({"status": "== ok"}, row()) == "met"
    assert state({"status": "!= failed"}, row(status="failed(crash)")) == "failed"
    assert state({"status": "== failed(crash)"}, row(status="failed(crash)")) == "met"
    assert state({"status": "!= oom"}, row(status="pending")) == "undecided"


def test_the_baseline_is_not_compared_with_itself():
    base = row(cell_key="a", baseline="a", speedup=1.0, speedup_low=None, speedup_high=None, criterion=None)
    other = row(cell_key="b", baseline="a")
    assert state({"speedup": ">= 1.5"}, base, other) == state({"criterion": "== met"}, base, other) == "met"
    assert state({"speedup": ">= 1.5"}, base) == "skipped"


def test_an_undecided_gate_has_an_exit_status_of_its_own():
    met, failed, open_ = (outcome({"speedup": text}, row()) for text in (">= 1", ">= 9", ">= 2"))
    assert [exit_status(found) for found in ([met], [met, open_], [open_, failed], [])] == [0, 4, 1, 0]


@given(
    ends=st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3).map(sorted),
    limit=st.floats(-1e6, 1e6),
    sign=st.sampled_from([">=", "<=", ">", "<"]),
)
def test_what_is_met_holds_at_every_value_of_the_interval_and_what_has_failed_at_none(ends, limit, sign):
    low, value, high = ends
    found = state({"speedup": f"{sign} {limit!r}"}, row(speedup=value, speedup_low=low, speedup_high=high))
    holds = [eval(f"{one!r} {sign} {limit!r}") for one in ends]
    assert found == ("met" if all(holds) else "failed" if not holds[0] and not holds[-1] else "undecided")


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
    assert state({"speedup": ">= 1"}, row(), when={"isa": "avx512_vnni"}, isa=None) == "undecided"


@pytest.mark.parametrize(
    ("require", "words"),
    [({"sped": ">= 1"}, "did you mean 'speedup'"), ({"speedup": "about 2"}, "no expression")],
)
def test_a_mistaken_gate_is_one_clear_line(require, words):
    with pytest.raises(UserError, match=words):
        state(require, row())
