"""Which cells a language model is offered for, and the one line that says why not for the others."""

from __future__ import annotations

import pytest

from harness.errors import UserError
from harness.plan.catalogue import catalogue
from harness.plan.matrix import make_plan

SHIPPED = catalogue()
LANGUAGE = ("model=smollm2", "task=fairy_tales")


def _plan(*overrides: str):
    return make_plan(SHIPPED, ["suite=feature_matrix", "tuner=none", *overrides])


def test_eager_runs_it_and_every_other_backend_says_why_it_does_not():
    plan = _plan(*LANGUAGE, "approach=fp32,bf16,ptq_dynamic,ptq_static", "backend=eager,fx,pt2e,onnxruntime,openvino")
    assert {(cell.backend.name, cell.approach.name) for cell in plan.cells} >= {
        ("eager", "fp32"),
        ("eager", "bf16"),
        ("eager", "ptq_dynamic"),
    }
    assert {cell.backend.name for cell in plan.cells} == {"eager"}
    assert all(item.reason.because for item in plan.excluded)


def test_its_rows_are_made_where_its_file_can_be_read_and_its_cells_run_where_all_others_do():
    plan = _plan(*LANGUAGE, "approach=fp32", "backend=eager")
    assert plan.environments == ["language", "torch"]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("model=smollm2", "task=sentiment"), "model smollm2 reads prose, task sentiment gives text"),
        (("model=minilm", "task=fairy_tales"), "model minilm reads text, task fairy_tales gives prose"),
    ],
)
def test_a_model_of_language_and_a_task_with_labels_do_not_fit(overrides, words):
    with pytest.raises(UserError, match=words):
        _plan(*overrides, "backend=eager", "approach=fp32")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ((*LANGUAGE, "task.kind=regression"), "task.kind=regression: reader prose gives documents without labels"),
        (("task=sentiment", "task.kind=language_modelling"), "reader vader gives labelled rows"),
        (("task=sentiment", "task.kind=language_modeling"), "did you mean 'language_modelling'"),
    ],
)
def test_a_kind_that_the_data_have_no_part_in_is_refused(overrides, words):
    with pytest.raises(UserError, match=words):
        _plan(*overrides, "backend=eager", "approach=fp32")
