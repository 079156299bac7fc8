"""Which cells a tuner is offered for, and the one line that says why not for the others."""

from __future__ import annotations

import re

import pytest

from harness.errors import UserError
from harness.plan.catalogue import catalogue
from harness.plan.matrix import make_plan

SHIPPED = catalogue()


def _plan(*overrides: str):
    return make_plan(SHIPPED, ["suite=feature_matrix", "task=sentiment", *overrides])


#: Of the feature matrix, what our own searches tune: backend -> methods. Its dynamic approach takes the range of a
#: whole batch, OpenVINO that of a part of a row.
TUNED = {
    "eager": {"dynamic", "static"},
    "fx": {"static"},
    "pt2e": {"dynamic", "static"},
    "onnxruntime": {"dynamic", "static"},
    "openvino": {"static"},
}


@pytest.mark.parametrize("tuner", ["sensitivity", "basic"])
def test_static_and_dynamic_are_tuned_where_a_backend_can_let_an_op_fall_back(tuner):
    plan = _plan("backend=eager,fx,ipex,tensorflow,pt2e,onnxruntime,openvino", f"tuner={tuner}")
    cells = {(cell.backend.name, cell.approach.method) for cell in plan.cells}
    assert cells == {(backend, method) for backend, methods in TUNED.items() for method in methods}
    reasons = {item.cell.backend.name: item.reason.because for item in plan.excluded}
    assert len(reasons) == 7 and all(reasons.values())


@pytest.mark.parametrize("backend", ["pt2e", "onnxruntime", "openvino"])
def test_what_an_environment_cannot_score_is_not_tuned_there(backend):
    arguments = ["suite=feature_matrix", "approach=ptq_static", f"backend={backend}", "tuner=none,sensitivity"]
    plan = make_plan(SHIPPED, [*arguments, "task=sentiment", "task.metric=matthews"])
    because = [item.reason.because for item in plan.excluded if item.cell.tuner.name == "sensitivity"]
    assert because and all("tunes by accuracy alone here" in line for line in because)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (["approach.fallback=[classifier]"], "chooses what falls back"),
        (["approach.weight.observer=percentile"], "takes weights by minmax"),
        (["tuner.strategy=bayesian"], "tuner.strategy=bayesian: no such search; did you mean 'basic'?"),
        (["tuner.options={alpha: 1}"], "alpha mean nothing"),
    ],
)
def test_what_a_tuner_cannot_mean_is_one_line(fields, words):
    plan = make_plan(
        SHIPPED, ["suite=tuning", "approach=static_7bit", "backend=eager", "tuner=none,sensitivity", *fields]
    )
    because = [item.reason.because for item in plan.excluded if item.cell.tuner.name == "sensitivity"]
    assert len(because) == 1 and words in because[0]


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (
            "approach.options={fallback_precison: bf16}",
            "mean nothing to this backend; did you mean 'fallback_precision'?",
        ),
        ("approach.options.fallback_precision=int8", "fallback_precision=int8: want fp32 or bf16"),
    ],
)
def test_a_precision_of_what_falls_back_is_named_rightly(field, words):
    with pytest.raises(UserError, match=re.escape(words)):
        make_plan(SHIPPED, ["suite=tuning", "approach=static_7bit", "backend=eager", "tuner=sensitivity", field])


def test_only_eager_mode_lets_fall_back_to_bf16():
    plan = _plan("backend=eager,fx,pt2e", "tuner=sensitivity", "approach.options.fallback_precision=bf16")
    assert {cell.backend.name for cell in plan.cells if cell.approach.precision == "int8"} == {"eager"}
