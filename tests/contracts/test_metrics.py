"""What every metric must keep, whatever it measures; and of the tree's own, that they are what others mean by the name.

The contract is :class:`harness.metrics.base.Metric`.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness import metrics
from harness.metrics.base import KINDS, Metric
from harness.registry import METRICS
from harness.stats.predictions.accuracy import metric_interval, paired_difference
from tests.backend_env import environment_python, run_in

#: Ends of what a metric of the tree can be; one in percent is from 0 to 1.
RANGES = {"matthews": (-1, 1), "pearson": (-1, 1), "perplexity": (1, np.inf)}

WEIGHABLE = [name for name in METRICS.names() if metrics.find(name).weighable is not None]

drawn = given(seed=st.integers(0, 2**16), rows=st.integers(2, 60))
same_examples = settings(max_examples=25)


def draw(metric: Metric, seed: int, *shape: int) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions and references of the metric's kind, of this shape; rows are the last axis.

    Predictions are better than chance, and no class and no number is common to all rows but by accident.
    """
    random = np.random.default_rng(seed)
    if metric.kind == "regression":
        true = random.normal(size=shape)
        return true + random.normal(0, 0.7, shape), true
    if metric.kind == "language_modelling":
        return random.gamma(3, 1, shape), random.integers(1, 128, shape)
    true = random.integers(0, 4, shape)
    return np.where(random.random(shape) < 0.3, random.integers(0, 4, shape), true), true


def ends(name: str) -> tuple[float, float]:
    """Return the least and the largest value that a metric may have."""
    return (0, 1) if metrics.is_percent(name) else RANGES.get(name, (-np.inf, np.inf))


@pytest.mark.parametrize("name", METRICS.names())
def test_a_metric_says_what_it_is_for(name):
    metric = metrics.find(name)
    assert isinstance(metric, Metric) and metric.kind in KINDS
    assert metric.is_numeric == (metric.kind != "classification")
    assert not metric.is_share or (metric.kind == "classification" and metric.percent), "a share of right rows"


@pytest.mark.parametrize("name", METRICS.names())
@same_examples
@drawn
def test_samples_at_once_are_each_of_them_alone(name, seed, rows):
    metric = metrics.find(name)
    predictions, references = draw(metric, seed, 2, 3, rows)
    with np.errstate(all="ignore"):
        together = np.asarray(metric.values(predictions, references))
        apart = [[metric.values(predictions[i, j], references[i, j]) for j in range(3)] for i in range(2)]
    assert together.shape == (2, 3)
    np.testing.assert_allclose(together, np.array(apart, float), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", METRICS.names())
@same_examples
@drawn
def test_a_value_is_one_number_in_its_range_whatever_the_order_of_rows(name, seed, rows):
    metric = metrics.find(name)
    predictions, references = draw(metric, seed, rows)
    order = np.random.default_rng(seed).permutation(rows)
    with np.errstate(all="ignore"):
        value = float(metric.values(predictions, references))
        again = float(metric.values(predictions[order], references[order]))
    assume(np.isfinite(value))
    low, high = ends(name)
    assert low - 1e-9 <= value <= high + 1e-9
    assert again == pytest.approx(value, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", METRICS.names())
def test_enough_rows_have_a_value(name):
    """What is undefined for odd rows may not be for ordinary ones, or the contract above would say nothing."""
    metric = metrics.find(name)
    assert all(np.isfinite(metric.values(*draw(metric, seed, 50))) for seed in range(5))


@pytest.mark.parametrize("rows", [1, 2, 40])
@pytest.mark.parametrize("name", METRICS.names())
def test_a_constant_answer_has_a_value_in_the_range_or_none(name, rows):
    """Whether it is the truth of all rows or of some: not a number is allowed, infinity and an error are not."""
    metric = metrics.find(name)
    _, references = draw(metric, 1, rows)
    low, high = ends(name)
    for true in (references, np.full_like(references, references[0])):
        answer = np.full(rows, references[0] if metric.kind != "language_modelling" else 1.5)
        with np.errstate(all="ignore"):
            value = float(metric.values(answer, true))
        assert np.isnan(value) or low - 1e-9 <= value <= high + 1e-9
        assert not np.isinf(value)
        with np.errstate(all="ignore"):
            found = metric_interval(name, answer, true)
        assert found.estimate == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize("name", WEIGHABLE)
@same_examples
@drawn
def test_sums_over_rows_give_the_metric_and_its_difference(name, seed, rows):
    metric = metrics.find(name)
    predictions, true = draw(metric, seed, rows)
    baseline = np.roll(predictions, 1)
    with np.errstate(all="ignore"):
        value, other = (float(metric.values(side, true)) for side in (predictions, baseline))
        one, two = metric.weighable([predictions], true), metric.weighable([predictions, baseline], true)
        found = [float(side.value(side.counts @ side.features)) for side in (one, two)]
    assert one.counts.sum() == two.counts.sum() == rows
    assert found == pytest.approx([value, value - other], rel=1e-9, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("name", WEIGHABLE)
def test_what_rows_are_weighed_by_has_its_shapes_and_its_worst_and_best_row(name, sides):
    metric = metrics.find(name)
    predictions, true = draw(metric, 3, 80)
    subject = metric.weighable([predictions, np.roll(predictions, 1)][:sides], true)
    kinds, sums = subject.features.shape
    assert subject.counts.shape == (kinds,)
    assert subject.worst.shape == subject.best.shape == (sums,)
    total = subject.counts @ subject.features
    weights = np.random.default_rng(0).random((4, 5, kinds)) * subject.counts
    many = subject.value(weights @ subject.features)
    assert many.shape == (4, 5)
    assert many[2, 3] == pytest.approx(float(subject.value(weights[2, 3] @ subject.features)), rel=1e-9)
    lowered, value, raised = (float(subject.value(total + row)) for row in (subject.worst, 0, subject.best))
    assert lowered < value < raised


@pytest.mark.parametrize("name", METRICS.names())
def test_an_interval_holds_its_value_and_equal_sides_differ_by_nothing(name):
    metric = metrics.find(name)
    predictions, references = draw(metric, 2, 60)
    found, equal = metric_interval(name, predictions, references), None
    assert found.estimate == pytest.approx(float(metric.values(predictions, references)))
    if metric.weighable is None and not metric.is_share:
        assert (found.low, found.high) == (None, None)
        return
    low, high = ends(name)
    assert low - 1e-9 <= found.low < found.estimate < found.high <= high + 1e-9
    equal = paired_difference(name, predictions, predictions, references)
    assert equal.low < equal.estimate == 0 < equal.high


_THEIRS = """
import warnings
import numpy as np
from scipy.stats import pearsonr
from sklearn import metrics
from harness import metrics as ours
warnings.simplefilter("ignore")
theirs = {
    "accuracy": metrics.accuracy_score,
    "f1_macro": lambda true, said: metrics.f1_score(true, said, average="macro", zero_division=0),
    "matthews": metrics.matthews_corrcoef,
    "pearson": lambda true, said: pearsonr(true, said).statistic,
    "perplexity": lambda tokens, losses: float(np.exp(np.repeat(losses, tokens).mean())),
}
found = {}
for name in ARGS[0]:
    metric, found[name] = ours.find(name), []
    for classes in (2, 3, 8):
        random = np.random.RandomState(classes)
        true = random.randint(0, classes, 60)
        said = np.where(random.rand(60) < 0.6, true, random.randint(0, classes, 60))
        if metric.kind == "regression":
            true = random.randn(60)
            said = true + random.randn(60)
        elif metric.kind == "language_modelling":
            true, said = random.randint(1, 9, 60), np.abs(random.randn(60))
        other = float(theirs[name](true, said)) if name in theirs else None
        found[name].append([float(metric.values(said, true)), other])
print(json.dumps(found))
"""


@pytest.mark.backend("torch")
def test_the_metrics_of_the_tree_are_what_scikit_learn_and_scipy_have_by_those_names():
    found = run_in(environment_python("torch"), _THEIRS, METRICS.shipped())
    for name, pairs in found.items():
        for ours, theirs in pairs:
            assert theirs is not None, f"{name}: nothing to hold it against; add another's definition to _THEIRS"
            assert ours == pytest.approx(theirs, abs=1e-12), name
