"""Which cells the tuners of Neural Compressor and NNCF are offered for, and why not for the others."""

from __future__ import annotations

import pytest

from harness.backends.base import backend_class
from harness.plan.catalogue import catalogue
from harness.plan.matrix import make_plan

SHIPPED = catalogue()

BACKENDS = ("eager", "fx", "ipex", "intel_tensorflow", "itex", "tensorflow", "pt2e", "onnxruntime", "openvino")


def _why_not(tuner: str, backend: str, *overrides: str) -> str | None:
    """Return why a static cell with this tuner is not run, or None when it is."""
    approach = "ptq_static_tensor" if "tensorflow" in backend or backend == "itex" else "ptq_static"
    names = (f"approach={approach}", f"backend={backend}", f"tuner=none,{tuner}")
    plan = make_plan(SHIPPED, ["suite=feature_matrix", "task=sentiment", *names, *overrides])
    reasons = [item.reason.because for item in plan.excluded if item.cell.tuner.name == tuner]
    tuned = [cell for cell in plan.cells if cell.tuner.name == tuner]
    assert len(reasons) + len(tuned) == 1
    return reasons[0] if reasons else None


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("tuner", "strategy"),
    [("inc", name) for name in ("basic", "bayesian", "mse", "mse_v2", "autotune")] + [("nncf", "accuracy_control")],
)
def test_a_cell_is_run_exactly_where_the_strategy_runs_and_else_has_one_line(backend, tuner, strategy):
    because = _why_not(tuner, backend, f"tuner.strategy={strategy}")
    offered = backend_class(backend).external_tuners.get(tuner)
    if offered is not None and strategy in offered.strategies and strategy not in offered.fails:
        assert because is None
    else:
        assert because is not None and "\n" not in because
        assert f"tuner.strategy={strategy}" in because or f"tuner={tuner}" in because


def test_where_our_own_order_of_the_same_name_runs_the_foreign_one_does_not_stand_in_for_it():
    assert _why_not("basic", "eager") is None
    assert "does not tune what backend eager runs" in _why_not("inc", "eager")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (["approach.fallback=[classifier]"], "tuner inc chooses what falls back"),
        (["tuner.options={alpha: 1}"], "alpha mean nothing to tuner inc"),
        (["tuner.strategy=basix"], "tuner.strategy=basix: Neural Compressor has basic, bayesian, mse, mse_v2"),
    ],
)
def test_what_such_a_tuner_cannot_mean_is_one_line(fields, words):
    assert words in _why_not("inc", "fx", *fields)


@pytest.mark.parametrize(
    ("backend", "strategy", "field"),
    [
        ("fx", "basic", "approach.weight.granularity=per_tensor"),
        ("ipex", "bayesian", "approach.weight.granularity=per_tensor"),
        ("fx", "basic", "approach.weight.reduce_range=true"),
        ("pt2e", "autotune", "approach.activation.reduce_range=true"),
    ],
)
def test_a_tuner_that_would_map_the_cell_otherwise_is_not_offered_for_it(backend, strategy, field):
    because = _why_not("inc", backend, f"tuner.strategy={strategy}", field)
    assert because is not None and field.partition("=")[0] in because


def test_a_metric_that_the_environment_cannot_score_is_one_line():
    assert "scores accuracy alone" in _why_not("inc", "ipex", "task.metric=f1_macro")
    assert _why_not("inc", "fx", "task.metric=f1_macro") is None
