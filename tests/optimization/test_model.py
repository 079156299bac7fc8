"""Quantizing without a trainer: a model, batches that calibrate, a function that evaluates."""

from __future__ import annotations

from typing import Any

import pytest

from tests.backend_env import environment_python, run_in

pytestmark = pytest.mark.backend("torch")

_RUN = """
from pathlib import Path
from tests.optimization.model_scenarios import everything
print(json.dumps(everything(Path(ARGS[0]))))
"""

ROWS, LAYERS = 500, 3


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run_in(environment_python("torch"), _RUN, tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("form", ["number", "mapping", "rows"])
def test_an_evaluation_may_give_a_number_numbers_by_name_or_scores_of_rows(found: dict[str, Any], form: str) -> None:
    assert found[form]["status"] == "ok"
    assert found[form]["left"] < LAYERS


def test_scores_of_rows_make_the_decision_a_paired_test_that_may_end_early(found: dict[str, Any]) -> None:
    status, state, rows, fallback, _ = found["worse"]["trials"][0]
    assert (status, state, rows, fallback) == ("inaccurate", "failed", 100, [])
    assert found["number"]["trials"][-1][1] == "undecided"


@pytest.mark.parametrize("strategy", ["worse", "basic"])
def test_the_layer_that_breaks_it_falls_back(found: dict[str, Any], strategy: str) -> None:
    assert found[strategy]["status"] == "ok"
    assert "layers.4" in found[strategy]["trials"][-1][3]


def test_calibration_uses_exactly_as_many_rows_in_the_loaders_order(found: dict[str, Any]) -> None:
    assert found["shown"] == list(range(37))


def test_when_every_trial_fails_fp32_comes_back_with_a_warning(found: dict[str, Any]) -> None:
    failed = found["failed"]
    assert (failed["status"], failed["left"], failed["same"]) == ("failed", LAYERS, True)
    (line,) = failed["warnings"]
    assert "error: RuntimeError: cannot be evaluated" in line


def test_an_objective_of_ones_own_is_measured_in_each_trial(found: dict[str, Any]) -> None:
    own = found["own objective"]
    assert own["status"] == "ok" and len(own["trials"]) > 1
    measured = [trial[4]["layers"] for trial in own["trials"]]
    assert measured[own["best"]] == min(measured) == 1.0


def test_qat_trains_by_the_function_that_is_given(found: dict[str, Any]) -> None:
    assert found["qat"]["status"] == "ok" and found["qat"]["left"] < LAYERS


def test_qat_drops_nothing_although_its_function_asks_for_training_mode(found: dict[str, Any]) -> None:
    assert not found["drops"] and found["can train"]


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("shuffled", "it shuffles; want shuffle=False"),
        ("rows", "sampling_size=201: want 1 to 200"),
        ("train", "want train, a function that fine-tunes"),
        ("no linear", "ReLU has no floating-point linear layer"),
        ("metrics", "want a Metric for what counts of a, b"),
        ("save", "Noting is no model of transformers"),
        ("zero", "FP32 has 0, of which no share can be lost"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(found: dict[str, Any], what: str, line: str) -> None:
    assert line in found["refused"][what]
    assert "\n" not in found["refused"][what]


def test_the_model_that_was_given_is_as_it_was(found: dict[str, Any]) -> None:
    assert found["unchanged"]
