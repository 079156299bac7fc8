"""Options, fields and suites: what is right is composed, what is wrong is one line with the nearest valid name."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.config.cell import cell_from_dict, digest
from harness.config.schema import AXES
from harness.errors import UserError
from harness.execute.artefacts.keys import stage_keys
from harness.host.describe import describe
from harness.plan.catalogue import catalogue
from harness.plan.compose import environment, options
from harness.plan.matrix import make_plan, parse
from harness.plan.suite import read_suite

SHIPPED = catalogue()


@pytest.mark.parametrize("axis", AXES)
def test_every_shipped_option_composes(axis):
    for name in SHIPPED.names(axis):
        if name == "custom":  # it waits for a source
            continue
        (option,) = options(SHIPPED, axis, name, {})
        assert option.config.name == option.label == name


def test_custom_model_and_task_need_only_overrides(tmp_path):
    (option,) = options(SHIPPED, "model", "custom", {"source.path": [str(tmp_path)]})
    assert option.config.source.path == str(tmp_path) and option.config.fine_tuned
    (option,) = options(SHIPPED, "task", "custom", {"source.path": ["rows.csv"], "split.held_out": [10]})
    assert option.config.reader == "table" and option.config.split.held_out == 10


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["suite=quickstrat"], ["suite=quickstrat", "did you mean 'quickstart'"]),
        (["suite=missing.yaml"], ["missing.yaml", "no such file"]),
        (["bckend=fx"], ["bckend", "did you mean 'backend'"]),
        (["approach=ptq_sttic"], ["approach=ptq_sttic", "did you mean 'ptq_static'"]),
        (["approach.calibration.smaples=5"], ["approach.calibration.smaples", "did you mean 'samples'"]),
        (["approach.calibration.samples=many"], ["approach.calibration.samples", "many", "want a whole number"]),
        (["approach.calibration.samples=0"], ["approach.calibration.samples=0", "at least 1"]),
        (["approach.weight.dtype=int9"], ["approach.weight.dtype=int9", "int8, uint8"]),
        (["protocol.confidence=2"], ["protocol.confidence=2", "at most"]),
        (["task.source.path=/nowhere"], ["task.source", "exactly one of package, hub_id and path"]),
        (["model=custom", "model.source.hub_id=a/b"], ["model.source", "revision"]),
        (["model=custom"], ["model.source", "found none"]),
        (["~backend"], ["~backend", "no meaning"]),
        (["backend=fx,fx"], ["option fx is there twice"]),
        (["no equals sign"], ["is no override"]),
        (["seed=x"], ["seed=x", "whole number"]),
        (["backend=fx", "approach=ptq_dynamic"], ["no cell is left"]),
        (["model.architecture=brt"], ["model.architecture", "no architecture 'brt'", "did you mean 'bert'"]),
        (["task.reader=tabel"], ["task.reader", "no reader 'tabel'", "did you mean 'table'"]),
        (["model.options={hidden_size: 8}"], ["model.options", "hidden_size", "bert"]),
        (["suite=vision", "model.source.path=/nowhere"], ["model.source", "vit", "want no source, found path"]),
        (["suite=vision", "model.fine_tuned=true"], ["model.fine_tuned=true", "random weights"]),
    ],
)
def test_mistakes_are_one_clear_line_and_exit_2(overrides, words):
    finished = subprocess.run(
        [sys.executable, "-m", "harness", "plan", *overrides], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 2 and finished.stdout == ""
    (line,) = finished.stderr.strip().splitlines()
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a list", ["want a mapping"]),
        ("axes: {model: [minilm]", ["suite.yaml", "line"]),
        ("name: x", ["axes is missing"]),
        ("axes: {modle: [minilm]}", ["no key 'modle'", "did you mean 'model'"]),
        ("axes: {model: [minilm]}\nexclude: [{match: {backend: fx}}]", ["needs a reason"]),
        ("axes: {model: [minilm]}\nexclude: [{match: {bakend: fx}, because: x}]", ["did you mean 'backend'"]),
        ("axes: {model: [minilm]}\ngates: [{name: g}]", ["g requires nothing"]),
        ("axis: {}", ["no key 'axis'", "did you mean 'axes'"]),
    ],
)
def test_a_bad_suite_file_is_one_clear_line(tmp_path, text, words):
    path = tmp_path / "suite.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_suite(path)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_quickstart_names_every_cell_with_a_state():
    plan = make_plan(SHIPPED, ["suite=quickstart"], dataclasses.replace(describe(), isa=("avx2", "avx512_bf16")))
    assert len(plan.cells) == 8 and len(plan.cells) + len(plan.excluded) == 1 * 1 * 4 * 4
    assert all(item.reason.because for item in plan.excluded)
    unsupported = {item.cell.labels[2:4] for item in plan.excluded if item.reason.kind == "unsupported"}
    assert unsupported == {("ptq_dynamic", "fx")}
    assert plan.environments == ["torch", "onnxruntime", "openvino"]


def test_a_model_and_a_task_that_do_not_fit_are_named_for_every_backend():
    backends = ",".join(SHIPPED.names("backend"))
    axes = ["model=minilm,vit_tiny", "task=sentiment,fashion_mnist", "approach=fp32", f"backend={backends}"]
    plan = make_plan(SHIPPED, ["suite=quickstart", *axes])
    because = {}
    for item in plan.excluded:
        if item.reason.kind == "unsupported":
            because.setdefault(item.cell.labels[:2], set()).add(item.reason.because)
    assert because["minilm", "fashion_mnist"] == {"model minilm reads text, task fashion_mnist gives image"}
    assert because["vit_tiny", "sentiment"] == {"model vit_tiny reads image, task sentiment gives text"}
    assert {cell.labels[:2] for cell in plan.cells} == {("minilm", "sentiment"), ("vit_tiny", "fashion_mnist")}


def test_a_built_models_options_are_part_of_its_checkpoints_key():
    locks = {"torch": "lock"}
    keys = [
        stage_keys(make_plan(SHIPPED, ["suite=vision", *fields]).cells[0], locks=locks, host="h", cores=2, contents=())
        for fields in ([], ["model.options.hidden_size=64"])
    ]
    assert keys[0].tokenise == keys[1].tokenise
    assert keys[0].finetune != keys[1].finetune and keys[0].artefact != keys[1].artefact


def test_a_comma_is_an_axis_and_a_plus_adds_to_it():
    plan = make_plan(SHIPPED, ["backend=fx", "approach=ptq_static", "approach.calibration.samples=50,100"])
    assert [cell.labels[2] for cell in plan.cells] == [
        "ptq_static[calibration.samples=50]",
        "ptq_static[calibration.samples=100]",
    ]
    assert [cell.approach.calibration.samples for cell in plan.cells] == [50, 100]
    plan = make_plan(SHIPPED, ["+protocol=smoke"])
    assert {cell.protocol.name for cell in plan.cells} == {"quick", "smoke"}


def test_quoted_values_may_hold_commas():
    request = parse(["model=custom", "model.source.path='/a,b'", "task.labels=[no,yes]"])
    assert request.fields["model"] == {"source.path": ["/a,b"]}
    assert request.fields["task"] == {"labels": [["no", "yes"]]}


def test_a_users_folder_wins_and_needs_no_python(tmp_path):
    (tmp_path / "conf" / "approach").mkdir(parents=True)
    (tmp_path / "suites").mkdir()
    (tmp_path / "conf" / "approach" / "static_minmax.yaml").write_text(
        "defaults: [ptq_static, _self_]\nname: static_minmax\nactivation: {observer: minmax}\n"
    )
    (tmp_path / "suites" / "mine.yaml").write_text(
        "axes: {model: minilm, task: sentiment, backend: fx, tuner: none, host: native, protocol: smoke,"
        " approach: [static_minmax, {ptq_static: {calibration.samples: 10, label: ten}}]}\n"
    )
    plan = make_plan(catalogue(tmp_path), ["suite=mine"])
    assert [cell.labels[2] for cell in plan.cells] == ["static_minmax", "ten"]
    minmax, ten = plan.cells
    assert minmax.approach.activation.observer == "minmax" and minmax.approach.calibration.samples == 100
    assert ten.approach.calibration.samples == 10


def test_a_cell_survives_json_and_its_digest_sees_every_field():
    cell = make_plan(SHIPPED, ["suite=quickstart"]).cells[0]
    again = cell_from_dict(json.loads(json.dumps(cell.to_dict())))
    assert again == cell and again.approach == cell.approach and again.task == cell.task
    other = make_plan(SHIPPED, ["suite=quickstart", "task.fine_tune.seed=1"]).cells[0]
    assert other != cell
    assert digest({"b": (1,), "a": None}) == digest({"a": None, "b": [1]})


def test_keys_do_not_depend_on_the_process(tmp_path):
    keys = [
        subprocess.run(
            [sys.executable, "-m", "harness", "plan", "--json"],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": "", "PYTHONPATH": str(Path(__file__).parents[2])},
        ).stdout
        for seed in ("1", "2")
    ]
    assert keys[0] == keys[1]


def test_planning_imports_no_framework():
    program = (
        "import sys; from harness.__main__ import main; status = main(['plan', '--json']);"
        "bad = {'torch', 'transformers', 'tensorflow', 'datasets'} & set(sys.modules);"
        "sys.exit(f'imported {bad}' if bad or status else 0)"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_an_environments_lock_lies_beside_its_yaml():
    config, lock = environment(SHIPPED, "torch")
    assert lock.parent.name == "environment" and config.python == "3.11"
    for line in lock.read_text().splitlines():
        assert line.startswith("#") or "==" in line, line
        assert "://" not in line and "+" not in line
