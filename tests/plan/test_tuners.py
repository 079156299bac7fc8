"""Which cells a tuner is offered for, and the one line that says why not for the others."""

from __future__ import annotations

import pytest

from harness.plan.catalogue import catalogue
from harness.plan.matrix import make_plan

SHIPPED = catalogue()


def _plan(*overrides: str):
    return make_plan(SHIPPED, ["suite=feature_matrix", "task=sentiment", *overrides])


@pytest.mark.parametrize("tuner", ["sensitivity", "basic"])
def test_eager_tunes_static_and_dynamic_and_no_other_backend_does_yet(tuner):
    plan = _plan("backend=eager,fx,ipex,tensorflow,pt2e,onnxruntime,openvino", f"tuner={tuner}")
    cells = {(cell.approach.method, cell.backend.name) for cell in plan.cells}
    assert cells == {("dynamic", "eager"), ("static", "eager")}
    reasons = {item.cell.backend.name: item.reason.because for item in plan.excluded}
    assert len(reasons) == 7 and all(reasons.values())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (["approach.fallback=[classifier]"], "chooses what falls back"),
        (["approach.weight.observer=percentile"], "takes weights by minmax"),
        (["tuner.strategy=bayesian"], "tuner.strategy=bayesian: this backend offers sensitivity, basic"),
        (["tuner.options={alpha: 1}"], "alpha mean nothing"),
    ],
)
def test_what_a_tuner_cannot_mean_is_one_line(fields, words):
    plan = make_plan(SHIPPED, ["suite=tuning", "approach=static_minmax", "tuner=none,sensitivity", *fields])
    because = [item.reason.because for item in plan.excluded if item.cell.tuner.name == "sensitivity"]
    assert len(because) == 1 and words in because[0]
