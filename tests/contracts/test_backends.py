"""What every backend keeps: it says in the parent what it cannot run, and what it runs is what its cell claims.

The contract is :class:`harness.backends.base.Backend`. Cells are of the shipped approaches, on a tiny random BERT whose
checkpoint PyTorch makes; each stage is a process of its own in the backend's environment, as in a run.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from harness.approaches.calibration import choose
from harness.backends.base import ExecutedPrecision, backend_class
from harness.backends.verify import verify_precision
from harness.config.cell import Cell
from harness.config.schema import CalibrationConfig, FineTuneConfig, QatConfig
from harness.data.token_rows import Rows
from harness.plan.compose import options
from harness.registry import BACKENDS
from tests.backend_env import REPOSITORY, environment_python
from tests.backends.exported import SAMPLES, StageRunner, largest_difference, make_cell
from tests.contracts.conftest import CATALOGUE
from tests.needs import ISA

APPROACHES = [name for name in CATALOGUE.names("approach")]

_SUPPORTS = """
import json, sys
from pathlib import Path

asked = []


class Watch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "tensorflow", "transformers", "onnx", "onnxruntime", "openvino", "nncf",
                                      "neural_compressor", "intel_extension_for_pytorch", "torchao", "datasets"}:
            asked.append(name)
        return None


sys.meta_path.insert(0, Watch())
from harness.backends.base import backend_class
from harness.config.cell import Option
from harness.config.schema import AXES
from harness.plan.catalogue import catalogue
from harness.plan.compose import options
from harness.plan.matrix import cell_of

project, isa = json.loads(sys.stdin.read())
shipped = catalogue(project and Path(project))
axes = {}
for axis in AXES:
    names = {"task": ["sentiment"], "host": ["native"], "protocol": ["smoke"]}.get(axis, shipped.names(axis))
    axes[axis] = [options(shipped, axis, name, {})[0] for name in names if name != "custom"]
order, found = list(AXES), []
plain = [axes[axis][0] for axis in order]
for model in axes["model"]:
    for approach in axes["approach"]:
        for tuner in axes["tuner"]:
            for backend in axes["backend"]:
                chosen = {"model": model, "approach": approach, "tuner": tuner, "backend": backend}
                cell = cell_of([chosen.get(axis, first) for axis, first in zip(order, plain)])
                supports = backend_class(cell.backend.name).supports
                answers = [supports(cell), *(supports(cell, some) for some in ((), isa))]
                found.append([cell.backend.name, model.label, approach.label, tuner.label, *answers])
print(json.dumps([asked, found]))
"""


class Answer(NamedTuple):
    """What a backend says of a cell: without knowing the host, on one without any instruction set, and on this one."""

    backend: str
    model: str
    approach: str
    tuner: str
    unknown: str | None
    none: str | None
    here: str | None


@functools.cache
def config(backend: str) -> Any:
    """Return the config of a backend that is named as its file is, or of another option that names it."""
    found = {name: options(CATALOGUE, "backend", name, {})[0].config for name in CATALOGUE.names("backend")}
    named = [one for one in found.values() if one.name == backend]
    assert named, f"backend {backend}: no file of conf/backend has name: {backend}"
    return found.get(backend, named[0])


def cell_with(backend: str, approach: str, **fields: Any) -> Cell:
    """Return a cell of a shipped approach with few rows and steps; `fields` are changes to the approach."""
    (option,) = options(CATALOGUE, "approach", approach, {})
    few = {
        "calibration": CalibrationConfig(samples=SAMPLES, batch_size=5),
        "qat": QatConfig(steps=8, batch_size=8, learning_rate=1e-3),
    }
    cell = make_cell(backend, "none", "fp32")
    return dataclasses.replace(
        cell,
        key=f"{approach}/{backend}",
        backend=config(backend),
        approach=dataclasses.replace(option.config, **few, **fields),
        task=dataclasses.replace(cell.task, fine_tune=FineTuneConfig(frozen=("embeddings",))),
    )


def supported(backend: str) -> dict[str, Cell]:
    """Return the cells of the shipped approaches that a backend runs on this host."""
    cells = {name: cell_with(backend, name) for name in APPROACHES}
    return {name: cell for name, cell in cells.items() if backend_class(backend).supports(cell, ISA) is None}


# In the parent


@pytest.fixture(scope="module")
def answers() -> tuple[list[str], list[Answer]]:
    finished = subprocess.run(
        [sys.executable, "-c", _SUPPORTS],
        input=json.dumps([os.environ.get("HARNESS_TEST_PROJECT"), ISA]),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    asked, found = json.loads(finished.stdout)
    return asked, [Answer(*one) for one in found]


def test_what_is_supported_is_said_without_a_framework(answers):
    asked, found = answers
    assert asked == []
    assert {one.backend for one in found} == set(BACKENDS.names())


@pytest.mark.parametrize("backend", BACKENDS.names())
def test_a_cell_is_taken_or_refused_in_one_line(answers, backend):
    for one in (one for one in answers[1] if one.backend == backend):
        for because in (one.unknown, one.none, one.here):
            assert because is None or (because.strip() == because != "" and "\n" not in because), one


@pytest.mark.parametrize("backend", BACKENDS.names())
def test_a_host_that_is_not_known_leaves_nothing_out(answers, backend):
    for one in (one for one in answers[1] if one.backend == backend):
        assert one.unknown is None or None not in (one.none, one.here), one


@pytest.mark.parametrize("backend", BACKENDS.names())
def test_every_backend_runs_the_baseline_s_approach_on_any_host(answers, backend):
    (one,) = (one for one in answers[1] if one[:4] == (backend, "minilm", "fp32", "none"))
    assert (one.unknown, one.none, one.here) == (None, None, None)


@pytest.mark.parametrize("backend", BACKENDS.names())
def test_what_means_nothing_to_a_backend_is_refused(backend):
    supports, cell = backend_class(backend).supports, cell_with(backend, "fp32")
    assert supports(cell) is None
    for changed in (
        dataclasses.replace(cell, approach=dataclasses.replace(cell.approach, method="no_such")),
        dataclasses.replace(cell, approach=dataclasses.replace(cell.approach, precision="int8")),
        dataclasses.replace(cell, approach=dataclasses.replace(cell.approach, options={"no_such": 1})),
        dataclasses.replace(cell, approach=dataclasses.replace(cell.approach, fallback=("classifier",))),
        dataclasses.replace(cell, backend=dataclasses.replace(cell.backend, options={"no_such": 1})),
        dataclasses.replace(cell, tuner=dataclasses.replace(cell.tuner, name="no_such", strategy="no_such")),
    ):
        assert supports(changed) is not None, changed


# In its environment

every_backend = pytest.mark.parametrize(
    "backend",
    [pytest.param(name, marks=pytest.mark.backend(config(name).environment)) for name in BACKENDS.names()],
)


class Made(NamedTuple):
    """The cells that a backend runs here, what it said when it made them, and what they gave."""

    runner: StageRunner
    cells: dict[str, Cell]
    made: dict[str, Any]
    ran: dict[str, Any]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """Write checkpoint and rows; return their folder and the logits of PyTorch's own modules."""
    runner = StageRunner.open(environment_python("torch"), tmp_path_factory.mktemp("backends"))
    return runner.folder, runner.reference()


@pytest.fixture(scope="module")
def stages(reference: tuple[Path, list[Any]]) -> Callable[[str], Made]:
    """Return what makes and runs all cells of a backend, once."""

    @functools.cache
    def of(backend: str) -> Made:
        folder, cells = reference[0], supported(backend)
        variables_of = backend if backend in BACKENDS.shipped() else None
        runner = StageRunner(environment_python(config(backend).environment), folder, variables_of)
        made = runner.prepare(cells | misfits(cells), into=backend)
        failed = {name: made[name]["said"] for name in cells if "kind" in made[name]["said"]}
        assert not failed
        return Made(runner, cells, made, runner.run(cells, into=backend))

    return of


def misfits(cells: dict[str, Cell]) -> dict[str, Cell]:
    """Return cells whose fallback names no layer, of those where one may."""
    found = {}
    for name, cell in cells.items():
        astray = dataclasses.replace(
            cell, approach=dataclasses.replace(cell.approach, fallback=("encoder.layer.7.attention",))
        )
        if backend_class(cell.backend.name).supports(astray, ISA) is None:
            found[f"{name}, no such layer"] = astray
    return found


@every_backend
def test_fp32_logits_are_those_of_pytorch_for_batches_of_other_shapes(stages, reference, backend):
    ran, expected = stages(backend).ran["fp32"], reference[1]
    assert max(np.abs(np.asarray(part)).max() for part in expected) > 0.3
    assert largest_difference(ran["logits"], expected) < 1e-4
    assert ran["types"] == ["float32"]


@every_backend
def test_each_approach_executes_the_precision_that_it_claims(stages, backend):
    made = stages(backend)
    for name, cell in made.cells.items():
        executed = ExecutedPrecision(**made.ran[name]["executed"])
        verify_precision(executed, cell)
        assert executed.source and executed.kernels, name
        if cell.approach.precision == "fp32":
            assert (executed.int8_ops, executed.bf16_ops) == (0, 0) and executed.fp32_ops > 0, name


@every_backend
def test_lower_precision_is_near_fp32_and_not_equal_to_it(stages, backend):
    made = stages(backend)
    for name in set(made.cells) - {"fp32", "qat"}:  # which trains other weights
        difference = largest_difference(made.ran[name]["logits"], made.ran["fp32"]["logits"])
        assert 1e-4 < difference < 1.5, name
    assert all(np.isfinite(part).all() for name in made.cells for part in map(np.asarray, made.ran[name]["logits"]))


@every_backend
def test_static_calibration_sees_exactly_the_chosen_rows(stages, backend):
    made = stages(backend)
    rows = Rows.load(made.runner.folder / "train.npz")
    for name, cell in made.cells.items():
        if cell.approach.method == "static":
            expected = choose(rows.lengths, cell.approach.calibration).provenance()
            assert expected["samples"] == SAMPLES and made.made[name]["said"]["calibration"] == expected


@every_backend
def test_training_takes_all_its_steps_and_tells_losses_that_are_numbers(stages, backend):
    made = stages(backend)
    for name, cell in made.cells.items():
        if cell.approach.method == "qat":
            told = made.made[name]["said"]["qat"]
            assert told["steps"] == cell.approach.qat.steps
            assert told["losses"] and all(map(math.isfinite, told["losses"]))


@every_backend
def test_a_fallback_that_no_layer_has_is_named(stages, backend):
    for name, made in stages(backend).made.items():
        if name.endswith("no such layer"):
            assert made["said"].get("kind") == "bad_config", name
            assert "encoder.layer.7.attention" in made["said"]["message"] and "\n" not in made["said"]["message"]


@every_backend
def test_another_process_makes_the_same_bytes(stages, backend):
    made = stages(backend)
    int8 = [name for name, cell in made.cells.items() if cell.approach.precision == "int8"]
    for name in ("fp32", *int8[:1]):
        # A process for each, as a run has it: frameworks number what their process has made so far.
        files = [
            made.runner.prepare({name: made.cells[name]}, into=f"{backend} {time}")[name]["files"]
            for time in ("first", "again")
        ]
        if backend == "pt2e":
            # Its package holds native code whose bytes differ from one compilation to the next; what it computes not.
            cells, folders = {name: made.cells[name]}, (f"{backend} {time}" for time in ("first", "again"))
            logits = [made.runner.run(cells, into=folder)[name]["logits"] for folder in folders]
            assert logits[0] == logits[1] and files[0].keys() == files[1].keys(), name
            continue
        assert files[0] == files[1] and all(size for size, _ in files[0].values()), name


@every_backend
def test_nothing_is_written_to_the_user_s_home(stages, backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What frameworks keep there, such as reports of who uses them, would leave the host."""
    made = stages(backend)
    name = next((name for name in made.cells if name.startswith("ptq")), "fp32")
    monkeypatch.setenv("HOME", str(tmp_path))
    made.runner.prepare({name: made.cells[name]}, into=f"{backend} home")
    made.runner.run({name: made.cells[name]}, into=f"{backend} home")
    # Keras writes down its own settings, which tell of nobody.
    kept = [".keras/keras.json"] if backend in ("tensorflow", "intel_tensorflow", "itex") else []
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()] == kept
