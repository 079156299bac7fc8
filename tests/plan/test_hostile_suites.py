"""A suite or an option that a person wrote wrongly is one line that names the file and what would be right."""

from __future__ import annotations

import pytest

from harness.errors import StageError, UserError
from harness.plan.catalogue import catalogue
from harness.plan.compose import environment
from harness.plan.matrix import make_plan

BASE = (
    "axes: {model: minilm, task: sentiment, approach: fp32, backend: eager, tuner: none, host: native,"
    " protocol: smoke}\n"
)


def excluding(match: str) -> str:
    return BASE + f"exclude: [{{match: {match}, because: so}}]\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "want a mapping, found None"),
        ("---\n", "want a mapping, found None"),
        (BASE + "version: null\n", "version: want a whole number, found None"),
        (BASE + "version: abc\n", "version: want a whole number, found 'abc'"),
        (BASE + 'version: "1.2"\n', "version: want a whole number, found '1.2'"),
        (BASE + "version: [1]\n", "version: want a whole number, found [1]"),
        (BASE + "version: true\n", "version: want a whole number, found True"),
        (BASE + "version: -1\n", "version: want a number from 0"),
        (BASE + f"version: {'9' * 4000}\n", "version: want a number from 0"),
        (BASE + "seed: abc\n", "seed: want a whole number"),
        (BASE + "seed: 4294967296\n", "seed: want a number from 0"),
        (BASE + "name: null\n", "name: want a name on one line"),
        (BASE + "name: [a]\n", "name: want a name on one line"),
        (BASE + 'name: "a\\nb"\n', "name: want a name on one line"),
        (BASE + "name: ''\n", "name: want a name on one line"),
        (BASE + "name: ../../README\n", "name: want a name without '/'"),
        (BASE + "description: [a]\n", "description: want text"),
        (BASE + "name: a\nname: b\n", "key 'name' is there twice"),
        (BASE + "baseline: {nope: x}\n", "no axis 'nope'"),
        (BASE + "baseline: [a]\n", "baseline: want a mapping"),
        (BASE + "baseline: {approach: [fp32]}\n", "baseline.approach: want a name"),
        (excluding("{approach.name.x: 1}"), "approach.name.x: no such field"),
        (excluding("{approach.name.upper: 1}"), "approach.name.upper: no such field"),
        (excluding("{approach.__class__: 1}"), "approach.__class__: no such field"),
        (excluding("{model.source.named: []}"), "model.source.named: no such field"),
        (excluding("{approach.weight.dtyp: int8}"), "did you mean 'dtype'"),
        (excluding("{approach.: 1}"), "approach.: no such field"),
        (excluding("{approach: {a: b}}"), "no approach '{'a': 'b'}'"),
        (BASE + "exclude: [{match: {approach: fp32}, because: so, without: [nope]}]\n", "no instruction set 'nope'"),
        (BASE + "exclude: [{match: {approach: fp32}, because: so, without: {a: b}}]\n", "without: want a name"),
        (BASE.replace("approach: fp32", "approach: [[fp32]]"), "axes.approach: want a mapping"),
        (BASE.replace("approach: fp32", "approach: {fp32: {label: [a]}}"), "label: want a name on one line"),
        (BASE.replace("backend: eager", "backend: {eager: {name: ../fx}}"), "its name is that of its file"),
        (BASE.replace("backend: eager", "backend: ../backend/eager"), "no such option"),
        (BASE.replace("task: sentiment", "task: {sentiment: {options: {1: a, b: c}}}"), "key 1 is no text"),
        (BASE.replace("protocol: smoke", "protocol: {smoke: {seed: '${oc.env:HARNESS_UNSET}'}}"), "protocol."),
        (BASE.replace("protocol: smoke", "protocol: {smoke: {'a[0': 1}}"), "protocol.a[0"),
        (
            BASE.replace("protocol: smoke", "protocol: {smoke: {blocks: [1, 2]}}"),
            "some.yaml: axes.protocol: smoke: protocol.blocks=[1, 2]: want a whole number",
        ),
        (
            BASE.replace("backend: eager", "backend: [{eager: {variables: {OMP_X: [1]}}}]"),
            "some.yaml: axes.backend: eager: backend.variables.OMP_X=[1]: want text",
        ),
        (BASE.replace("task: sentiment", "task: {sentiment: {labels.0: a}}"), "want the whole list"),
        (BASE.replace("host: native", "host: {native: {cores.0: 1}}"), "want the whole list, such as host.cores=[0,1]"),
        (BASE + "gates: [5]\n", "gates: want a mapping, found 5"),
        (BASE + "gates: [{name: '', require: {value: '>= 0.5'}}]\n", "gates: name: want a name on one line"),
        (BASE + 'gates: [{name: "a\\nb", require: {value: ">= 0.5"}}]\n', "gates: name: want a name on one line"),
        (BASE + "gates: [{name: g, require: {value: '>= 0.5'}}, {name: g, require: {value: '>= 0.6'}}]\n", "two gates"),
        (BASE + "gates: [{name: g, require: [a]}]\n", "gates: require: want a mapping"),
        (BASE + "gates: [{name: g, require: {value: '>= nan'}}]\n", "want a plain number"),
        (BASE + "gates: [{name: g, require: {value: '>= 1e400'}}]\n", "want a plain number"),
    ],
)
def test_a_bad_suite_is_refused_in_one_line(tmp_path, text, words):
    path = tmp_path / "some.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        make_plan(catalogue(), [f"suite={path}"])
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "want a mapping of fields, found None"),
        ("[a]", "want a mapping of fields, found ['a']"),
        ("# @package _global_\nname: x\n", "'# @package' has no meaning here"),
        ("# @package model\nname: x\n", "'# @package' has no meaning here"),
        ("defaults: 1\nname: x\n", "defaults: want a list of options of approach"),
        ("defaults: null\nname: x\n", "defaults: want a list of options of approach"),
        ("defaults: [x, _self_]\nname: x\n", "it is among its own defaults"),
        ("defaults: [ptq_sttic]\nname: x\n", "did you mean 'ptq_static'"),
        ("defaults: [{/model: minilm}]\nname: x\n", "want the name of an option of approach"),
        ("defaults: [../backend/eager]\nname: x\n", "no such option"),
        ("defaults: [/backend/eager]\nname: x\n", "no such option"),
        ("name: x\noptions: &a {b: *a}\n", "an anchor within itself"),
        ("name: x\noptions: {1: a, b: c}\n", "key 1 is no text"),
        ("name: x\nname: y\n", "key 'name' is there twice"),
        ("name: x\nmethod: ${oc.env:HARNESS_UNSET}\n", "HARNESS_UNSET"),
        ("name: ${name}\n", "x.yaml"),
        ("name: ../y\n", "approach.name=../y: want letters, digits and _"),
        ("name: x\nqat: 5\n", "approach.qat=5: want a mapping"),
        ("name: x\nqta: {steps: 5}\n", "did you mean 'qat'"),
        ("name: x\nqat: {stesp: 5}\n", "did you mean 'steps'"),
        ("name: x\n'a[0': 5\n", "approach.a[0"),
        ("name: x\n'': 5\n", "approach."),
        ("name: x\n_target_: os.system\n", "no such field"),
        ("method: static\n", "field name is missing"),
    ],
)
def test_a_bad_option_is_refused_in_one_line(tmp_path, text, words):
    path = tmp_path / "conf" / "approach" / "x.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(UserError) as error:
        make_plan(catalogue(tmp_path), ["approach=x"])
    assert words in str(error.value) and "\n" not in str(error.value)


def test_an_option_may_stand_on_others_that_stand_on_others(tmp_path):
    folder = tmp_path / "conf" / "approach"
    folder.mkdir(parents=True)
    (folder / "one.yaml").write_text("defaults: [ptq_static, _self_]\nname: one\nqat: {steps: 7}\n")
    (folder / "two.yaml").write_text("defaults: [one, _self_]\nname: two\ncalibration: {samples: 9}\n")
    (cell,) = make_plan(catalogue(tmp_path), ["approach=two", "backend=fx"]).cells
    assert (cell.approach.qat.steps, cell.approach.calibration.samples) == (7, 9)
    assert cell.approach.activation.observer == "histogram"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lock: ../torch.txt", "environment.lock=../torch.txt: want the name of a file beside the YAML"),
        ("lock: x.txt\npython: ../../bin/python", "want a version such as 3.11"),
        ("lock: x.txt\nimports: ['os; import sys']", "want the name of a module"),
        ("lock: x.txt\nvariables: {'A=B': c}", "'A=B' is no variable"),
        ("lock: y.txt", "lock y.txt does not lie beside its YAML"),
    ],
)
def test_a_bad_environment_is_refused_in_one_line(tmp_path, text, words):
    folder = tmp_path / "conf" / "environment"
    folder.mkdir(parents=True)
    (folder / "x.yaml").write_text(f"name: x\n{text}\n")
    (folder / "x.txt").write_text("a==1\n")
    with pytest.raises((UserError, StageError)) as error:
        environment(catalogue(tmp_path), "x")
    assert words in str(error.value)


ODD_SIGNS = " ,()=[]#~'\"$\\%{};&*?:@+|<>`!\u00fc\u6587\n"


@pytest.mark.parametrize(
    "name", [*(f"a{sign}b" for sign in ODD_SIGNS), "${x}", "a://b", "~", "~x", " a ", "'", "\\'", "#"]
)
def test_a_project_may_lie_in_a_folder_of_any_name(tmp_path, name):
    project = tmp_path / name
    for folder in (project / "conf" / "approach", project / "suites", project / "conf" / "backend"):
        folder.mkdir(parents=True)
    (project / "conf" / "approach" / "mine.yaml").write_text("defaults: [ptq_static, _self_]\nname: mine\n")
    (project / "conf" / "backend" / "größer.yaml").write_text("defaults: [fx, _self_]\n")
    (project / "suites" / "own.yaml").write_text(BASE.replace("fp32", "mine").replace("eager", "größer"))
    (cell,) = make_plan(catalogue(project), ["suite=own"]).cells
    assert cell.approach.activation.observer == "histogram" and cell.labels[2:4] == ("mine", "größer")
