"""The seed's words: what each means, and that what cannot be meant is refused with one line."""

from __future__ import annotations

import math

import pytest

import harness.optimization
from harness.errors import UserError
from harness.optimization import QuantizationConfig, metric, metrics, objectives
from harness.optimization.metrics import Metric
from harness.optimization.objectives import Objective
from harness.tuning.criterion import Bound
from harness.tuning.objective import Goal


def test_the_seeds_defaults() -> None:
    one = metrics.Metric(name="eval_f1")
    assert (one.greater_is_better, one.is_relative, one.criterion, one.weight_ratio) == (True, True, 0.01, None)
    config = QuantizationConfig()
    assert (config.framework, config.approach, config.timeout, config.max_trials) == (
        "pytorch",
        "PostTrainingStatic",
        0,
        100,
    )
    assert (config.metrics, config.objectives) == ((), (objectives.performance,))
    assert (config.strategy, config.sampling_size, config.use_bf16) == ("sensitivity", 100, False)


def test_both_of_the_seeds_names_for_the_metrics_are_there() -> None:
    assert metric is metrics and metric.Metric is Metric


def test_performance_is_speed_and_the_models_size_a_burden() -> None:
    assert objectives.performance.greater_is_better and not objectives.modelsize.greater_is_better
    assert not Objective("modelsize").greater_is_better
    assert objectives.performance.goal() == Goal("performance")
    own = Objective("rows", weight_ratio=2, measure=lambda model: 1.0)
    assert own.goal() == Goal("rows", True, 2.0)


def test_one_metric_or_objective_need_not_be_in_a_list() -> None:
    config = QuantizationConfig(metrics=Metric("f1"), objectives=objectives.modelsize)
    assert (config.metrics, config.objectives) == ((Metric("f1"),), (objectives.modelsize,))


def test_every_metric_and_every_objective_counts() -> None:
    config = QuantizationConfig(
        metrics=[
            Metric("f1", weight_ratio=0.7),
            Metric("eval_loss", False, is_relative=False, criterion=0.1, weight_ratio=1),
        ],
        objectives=[Objective("performance", weight_ratio=0.8), Objective("modelsize", weight_ratio=0.2)],
    )
    criterion = config.criterion({"eval_f1": 0.9, "eval_loss": 0.3, "eval_accuracy": 0.9})
    assert criterion.bounds == (Bound("eval_f1", weight=0.7), Bound("eval_loss", 0.1, False, False, 1.0))
    assert config.objective().weights == pytest.approx({"performance": 0.8, "modelsize": 0.2})


def test_without_metrics_a_single_value_is_meant_and_several_are_refused() -> None:
    assert QuantizationConfig().criterion({"accuracy": 0.9}).bounds == (Bound("accuracy"),)
    with pytest.raises(UserError, match="want a Metric for what counts of f1, loss"):
        QuantizationConfig().criterion({"f1": 0.9, "loss": 0.1})


def test_a_metric_that_the_evaluation_has_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"metric 'eval_f2': .*did you mean 'eval_f1'"):
        QuantizationConfig(metrics=Metric("eval_f2")).criterion({"eval_f1": 0.9, "eval_loss": 0.1})


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Metric(""), "Metric: name=''"),
        (lambda: Metric("f1", greater_is_better="yes"), "greater_is_better='yes': want True or False"),
        (lambda: Metric("f1", is_relative=1), "is_relative=1: want True or False"),
        (lambda: Metric("f1", criterion=-0.01), "criterion=-0.01: want a finite number from 0"),
        (lambda: Metric("f1", criterion=math.nan), "criterion=nan"),
        (lambda: Metric("f1", criterion="1%"), "criterion='1%'"),
        (lambda: Metric("f1", weight_ratio=math.inf), "weight_ratio=inf"),
        (lambda: Objective("performence"), "no such objective and no measure=; did you mean 'performance'"),
        (lambda: Objective("performance", greater_is_better=False), "greater_is_better=False: want True"),
        (lambda: Objective("modelsize", greater_is_better=True), "greater_is_better=True: want False"),
        (lambda: Objective("modelsize", measure=len), "measure: want a function, under a name of its own"),
        (lambda: Objective("own", measure=3), "measure: want a function"),
        (lambda: Objective("performance", weight_ratio=-1), "weight_ratio=-1"),
        (lambda: QuantizationConfig(framework="tensorflow"), "framework='tensorflow': no such framework"),
        (lambda: QuantizationConfig(approach="PostTrainingStatics"), "did you mean 'PostTrainingStatic'"),
        (lambda: QuantizationConfig(timeout=-1), "timeout=-1"),
        (lambda: QuantizationConfig(timeout="1h"), "timeout='1h'"),
        (lambda: QuantizationConfig(max_trials=0), "max_trials=0: want a whole number from 1"),
        (lambda: QuantizationConfig(sampling_size=2.5), "sampling_size=2.5"),
        (lambda: QuantizationConfig(use_bf16="no"), "use_bf16='no'"),
        (lambda: QuantizationConfig(strategy="bayesian"), "strategy='bayesian': no such search"),
        (lambda: QuantizationConfig(metrics=[]), "metrics: want at least one Metric"),
        (lambda: QuantizationConfig(metrics=["eval_f1"]), "'eval_f1' is no Metric"),
        (lambda: QuantizationConfig(objectives=[]), "objectives: want at least one Objective"),
        (lambda: QuantizationConfig(objectives=None), "None is no Objective"),
        (lambda: QuantizationConfig(metrics=[Metric("a"), Metric("a")]), "'a' is there twice"),
        (lambda: QuantizationConfig(metrics=[Metric("a", weight_ratio=1), Metric("b")]), "weight_ratio is missing"),
        (lambda: QuantizationConfig(objectives=[objectives.performance] * 2), "'performance' is there twice"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(make, line: str) -> None:
    with pytest.raises(ValueError) as caught:
        make()
    assert isinstance(caught.value, UserError)
    assert line in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trainers'"):
        _ = harness.optimization.trainers
