"""What a suite's gates, matches and baseline ask is held against its axes and the table's columns before a run."""

from __future__ import annotations

import pytest
import yaml

from harness.errors import UserError
from harness.plan.catalogue import catalogue
from harness.plan.gate import COLUMNS, Gate, bound, by_labels
from harness.plan.matrix import make_plan
from harness.plan.suite import read_suite
from harness.publish.columns import coverage, fastest, placements, scenarios, tunings
from harness.publish.table.rows import COLUMNS as ROWS

AXES = {
    "model": ["minilm"],
    "task": ["sentiment"],
    "approach": ["fp32", "ptq_dynamic", {"ptq_static": {"activation.observer": "minmax", "label": "static"}}],
    "backend": ["eager", "fx"],
    "tuner": ["none"],
    "host": ["native"],
    "protocol": ["smoke"],
}
NO_FX = {"match": {"approach": ["fp32", "ptq_dynamic"], "backend": "fx"}, "because": "not here"}


def suite_file(tmp_path, **changes):
    values = {"axes": AXES, "exclude": [NO_FX], "baseline": {"approach": "fp32", "backend": "eager"}, **changes}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def gate(**fields):
    return {"gates": [{"name": "g", "require": {"speedup": ">= 1.5"}, **fields}]}


MISTAKES = [
    (gate(require={"speed_up": ">= 1"}), ["gate g", "no column 'speed_up'", "did you mean 'speedup'"]),
    (gate(require={"speedup_low": ">= 1"}), ["no column 'speedup_low'", "did you mean 'speedup'"]),
    (gate(require={"speedup": "1.5"}), ["speedup: '1.5' is no expression", ">= 1.5"]),
    (gate(require={"speedup": "=> 1.5"}), ["is no expression"]),
    (gate(require={"value": ">= 50%"}), ["'>= 50%'", "want a plain number, e.g. >= 0.5"]),
    (gate(require={"speedup": ">= 1.5x"}), ["'>= 1.5x'", "e.g. >= 1.5"]),
    (gate(require={"speedup": ">= nan"}), ["want a plain number"]),
    (gate(require={"speedup": "<= inf"}), ["want a plain number"]),
    (gate(require={"speedup": ">= 1_0"}), ["'>= 1_0'", "want a plain number"]),
    (gate(require={"speedup": ">= \u0663"}), ["want a plain number"]),
    ({"exclude": None}, ["exclude: want a list of mappings, found null"]),
    ({"gates": None}, ["gates: want a list of mappings, found null"]),
    (gate(require={"speedup": "== 2"}), ["an estimate equals no number", ">="]),
    (gate(require={"criterion": "!= faild"}), ["no criterion 'faild'", "did you mean 'failed'"]),
    (gate(require={"criterion": "!= undecided"}), ["no criterion 'undecided'"]),
    (gate(require={"criterion": ">= met"}), ["not ordered", "== or !="]),
    (gate(require={"status": "== okay"}), ["no status 'okay'", "did you mean 'ok'"]),
    (gate(match={"approach": "ptq_dynmic"}), ["no approach 'ptq_dynmic'", "did you mean 'ptq_dynamic'"]),
    (gate(match={"approach": "ptq_static"}), ["no approach 'ptq_static'", "did you mean 'static'"]),
    (gate(match={"aproach": "fp32"}), ["did you mean 'approach'"]),
    (gate(when={"isa": "avx512vnni"}), ["no instruction set 'avx512vnni'", "did you mean 'avx512_vnni'"]),
    (gate(when={"isa": ["avx2", "avx512f"]}), ["no instruction set"]),
    (gate(when={"issa": "avx2"}), ["no key 'issa'", "did you mean 'isa'"]),
    ({**gate(), "baseline": {}}, ["speedup is compared with a baseline"]),
    ({"baseline": {"approach": "fp23"}}, ["baseline", "no approach 'fp23'", "did you mean 'fp32'"]),
    ({"baseline": {"aproach": "fp32"}}, ["baseline", "did you mean 'approach'"]),
    ({"version": "two"}, ["version", "want a whole number, found 'two'"]),
    ({"seed": 1.5}, ["seed", "want a whole number"]),
]


@pytest.mark.parametrize(("changes", "words"), MISTAKES)
def test_a_mistake_is_one_line_when_the_suite_is_read(tmp_path, changes, words):
    with pytest.raises(UserError) as error:
        read_suite(suite_file(tmp_path, **changes))
    assert "mine.yaml" in str(error.value) and "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


UNREACHED = [
    ({"exclude": [{**NO_FX, "match": {"backend": "ffx"}}]}, ["exclude", "no backend 'ffx'", "did you mean 'fx'"]),
    ({"exclude": [{**NO_FX, "match": {"backend": "openvino"}}]}, ["no option of the suite has backend openvino"]),
    (gate(match={"approach.method": "statik"}), ["gate g", "no option of the suite has approach.method statik"]),
    (gate(match={"approach.methd": "static"}), ["no such field", "did you mean 'method'"]),
    (gate(match={"approach.method.x": "static"}), ["approach.method.x: no such field"]),
    (gate(match={"approach": "fp32", "backend": "fx"}), ["gate g", "excludes all that it fits: not here"]),
    (
        {"exclude": [{**NO_FX, "match": {"protocol.blocks": 77}}]},
        ["exclude", "no option of the suite has protocol.blocks 77", "there is"],
    ),
    ({"baseline": {"approach": "static"}, "exclude": []}, ["static/eager", "static/fx", "say more"]),
    ({"baseline": {"approach": "fp32", "backend": "fx"}}, ["baseline", "the suite excludes it: not here"]),
]


@pytest.mark.parametrize(("changes", "words"), UNREACHED)
def test_what_fits_nothing_is_one_line_when_the_suite_is_planned(tmp_path, changes, words):
    with pytest.raises(UserError) as error:
        make_plan(catalogue(), [f"suite={suite_file(tmp_path, **changes)}"])
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_an_exclusion_may_wait_for_an_option_that_a_command_line_adds(tmp_path):
    path = suite_file(tmp_path, exclude=[{**NO_FX, "match": {"approach": "fp32", "backend": "openvino"}}])
    plan = make_plan(catalogue(), [f"suite={path}", "+backend=openvino"])
    assert ("fp32", "openvino") in {item.cell.labels[2:4] for item in plan.excluded}
    with pytest.raises(UserError, match="no backend 'opnvino'"):
        path = suite_file(tmp_path, exclude=[{**NO_FX, "match": {"backend": "opnvino"}}])
        make_plan(catalogue(), [f"suite={path}", "+backend=openvino"])


def test_a_command_line_may_narrow_a_suite_below_its_gates_and_exclusions(tmp_path):
    path = suite_file(tmp_path, **gate(match={"approach": "static", "backend": "fx"}))
    assert len(make_plan(catalogue(), [f"suite={path}"]).cells) > 1
    assert len(make_plan(catalogue(), [f"suite={path}", "approach=fp32", "backend=eager"]).cells) == 1


@pytest.mark.parametrize("name", catalogue().suite_names())
def test_every_shipped_suite_asks_what_can_be_answered(name):
    suite = read_suite(catalogue().suite(name))
    assert suite.baseline


def test_a_field_in_a_gates_match_means_the_labels_that_have_it(tmp_path):
    path = suite_file(tmp_path, **gate(match={"approach.method": ["static", "dynamic"], "approach": "static"}))
    plan = make_plan(catalogue(), [f"suite={path}"])
    options = [(option.axis, option.label, option.config) for option in plan.options]
    assert by_labels(plan.suite.gates[0], options).match == {"approach": ("static",)}
    stored = [(axis, label, {"method": getattr(config, "method", None)}) for axis, label, config in options]
    only = Gate("g", {}, {"approach.method": ("dynamic",)})
    assert by_labels(only, stored).match == {"approach": ("ptq_dynamic",)}


def test_every_column_of_a_gate_is_a_column_of_the_table_and_words_are_texts():
    kinds = ROWS | scenarios.COLUMNS | tunings.COLUMNS | coverage.COLUMNS | placements.TILE_COLUMNS
    assert {name: kinds[name] == "string" for name in COLUMNS} == {name: bool(COLUMNS[name].words) for name in COLUMNS}
    # What is said of the fastest stands in one row alone, so no gate asks for it.
    with_ends = {name for name in kinds if f"{name}_low" in kinds} - fastest.COLUMNS.keys()
    assert with_ends <= {name for name, asked in COLUMNS.items() if asked.is_estimate}


def test_a_bound_is_read_with_and_without_blanks():
    for text in (">=1.5", " >=  1.5 ", ">= 15e-1"):
        assert bound("speedup", text, "") == bound("speedup", ">= 1.5", "")
