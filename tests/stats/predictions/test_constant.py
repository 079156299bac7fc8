"""A model beside one answer for every row, held against scikit-learn's dummy estimators' definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.stats.predictions.constant import classes, metric_of_constant, numbers


def right_on(share: float, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions and references of two equally frequent classes, `share` of the rows right."""
    references = np.arange(rows) % 2
    wrong = np.arange(rows) >= round(share * rows)
    return np.where(wrong, 1 - references, references), references


@pytest.mark.parametrize(
    ("share", "rows", "better"),
    [
        (0.17, 2000, False),  # classes in a wrong order
        (0.5, 2000, False),
        (0.52, 1000, False),  # above, but as likely by chance
        (0.54, 2000, True),
        (1.0, 4, True),
        (1.0, 3, False),  # three of three show nothing
    ],
)
def test_a_classifier_must_be_beyond_doubt_better_than_the_most_frequent_class(share, rows, better):
    found = classes(*right_on(share, rows))
    assert found.better is better
    assert found.model.estimate == pytest.approx(share, abs=1e-3)


def test_the_constant_is_the_most_frequent_class_of_the_evaluated_rows():
    found = classes([0] * 10, [2, 2, 2, 2, 2, 2, 0, 0, 1, 1])
    assert (found.constant, found.answer) == (0.6, 2)


def test_a_constant_model_is_never_better():
    for references in ([1] * 95 + [0] * 5, [0, 1] * 50):
        assert not classes([1] * 100, references).better


def test_false_alarms_of_a_coin_are_as_rare_as_the_interval_says():
    generator = np.random.default_rng(0)
    tries = [classes(generator.integers(0, 2, 200), np.arange(200) % 2).better for _ in range(2000)]
    assert np.mean(tries) < 0.04  # one side of 95 %


def test_a_regression_is_held_by_its_squared_error():
    generator = np.random.default_rng(1)
    true = generator.normal(3, 1, 300)
    found = numbers(true + generator.normal(0, 0.5, 300), true)
    # Explained variance by its definition: 1 - residual sum of squares / total sum of squares.
    assert found.better and found.model.estimate == pytest.approx(0.75, abs=0.05)
    assert found.answer == pytest.approx(true.mean())
    assert not numbers(np.full(300, true.mean()), true).better
    assert not numbers(generator.normal(3, 1, 300), true).better
    assert not numbers(10 * true, true).better  # another scale is a large squared error ...
    assert numbers(10 * true, true, scale_free=True).better  # ... and the same correlation


def test_correlations_have_fishers_interval():
    generator = np.random.default_rng(2)
    true = generator.normal(size=50)
    predicted = 0.3 * true + generator.normal(size=50)
    found = numbers(predicted, true, scale_free=True)
    r = stats.linregress(predicted, true).rvalue
    ends = np.tanh(np.arctanh(r) + np.array([-1.0, 1.0]) * stats.norm.ppf(0.975) / np.sqrt(47))
    assert (found.model.low, found.model.high) == pytest.approx(tuple(ends))
    assert found.better is bool(ends[0] > 0)
    assert not numbers(np.ones(50), true, scale_free=True).better


def test_the_squared_errors_interval_covers():
    generator, covered = np.random.default_rng(3), 0
    for _ in range(400):
        true = generator.normal(size=100)
        found = numbers(0.8 * true + generator.normal(0, 0.4, 100), true)
        covered += found.model.low <= 1 - 0.2**2 - 0.4**2 <= found.model.high
    assert covered / 400 > 0.92


def test_other_metrics_of_a_constant_are_their_own():
    references = [0] * 90 + [1] * 10
    assert metric_of_constant("matthews", references, 0) == 0.0
    # F1 of the class that is answered: 2 * 90 / (100 + 90); of the other 0.
    assert metric_of_constant("f1_macro", references, 0) == pytest.approx(90 / 95 / 2)
    assert metric_of_constant("bleu", references, 0) is None
