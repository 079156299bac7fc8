"""Accuracy verdicts on predictions whose differences are known."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from harness.stats.decisions.accuracy_changes import Evaluated, Subject, accuracy_changes

ROWS = 800
TRUE = np.arange(ROWS) % 2


def variant(wrong: range, digest: str, metric: str = "accuracy") -> Evaluated:
    """Return a variant that is wrong on these rows."""
    predictions = np.where(np.isin(np.arange(ROWS), list(wrong)), 1 - TRUE, TRUE)
    value = float((predictions == TRUE).mean())
    if metric == "matthews":
        value = float(np.corrcoef(predictions, TRUE)[0, 1])
    return Evaluated(metric, value, predictions.tolist(), digest)


def judged(one: Evaluated, other: Evaluated, allowed: float = 0.01, **fields):
    (change,) = accuracy_changes([Subject(one, other, TRUE.tolist(), allowed, **fields)])
    return change


def test_equal_logits_are_bit_equal_and_equal_predictions_are_equivalent():
    assert judged(variant(range(80), "a"), variant(range(80), "a")).verdict == "bit-equal"
    assert judged(variant(range(80), "a"), variant(range(80), "b")).verdict == "equivalent"


@pytest.mark.parametrize("metric", ["accuracy", "matthews"])
def test_a_real_loss_is_worse_a_real_gain_better_and_little_evidence_neither(metric):
    few, many, some = variant(range(80), "a", metric), variant(range(120), "b", metric), variant(range(84), "c", metric)
    assert judged(few, many).verdict == "worse" and judged(many, few).verdict == "better"
    assert judged(few, many, greater_is_better=False).verdict == "better"
    assert judged(few, some).verdict == "inconclusive"


def test_the_test_is_mcnemars():
    one, other = variant(range(80), "a"), variant(range(60, 150), "b")
    change = judged(one, other)
    table = [[0, change.broken], [change.fixed, 0]]
    assert (change.broken, change.fixed) == (70, 60)
    assert change.p == pytest.approx(mcnemar(table, exact=True).pvalue)


def test_many_cells_are_adjusted_for():
    # 6 broken and none fixed: p = 2/64 alone, which among twenty cells without a change is nothing.
    pair = Subject(variant(range(80), "a"), variant(range(86), "b"), TRUE.tolist(), 0.001)
    same = Subject(variant(range(80), "a"), variant(range(80), "b"), TRUE.tolist(), 0.001)
    assert accuracy_changes([pair])[0].verdict == "worse"
    assert accuracy_changes([pair, *[same] * 19])[0].verdict == "inconclusive"


def test_a_metric_that_is_not_known_here_has_no_test():
    one, other = (Evaluated("bleu", value, [0.0] * ROWS, digest) for value, digest in ((0.3, "a"), (0.2, "b")))
    change = judged(one, other)
    assert (change.verdict, change.p, change.difference.low) == ("inconclusive", None, None)


def test_swapped_predictions_of_a_regression_are_tested_by_permutation():
    generator = np.random.default_rng(0)
    true = generator.normal(size=300)
    good, bad = true + generator.normal(0, 0.2, 300), true + generator.normal(0, 1.0, 300)
    variants = [
        Evaluated("pearson", float(np.corrcoef(values, true)[0, 1]), values.tolist(), name)
        for name, values in (("a", good), ("b", bad))
    ]
    (change,) = accuracy_changes([Subject(*variants, true.tolist(), 0.01)])
    assert (change.verdict, change.broken) == ("worse", None) and change.p <= 0.01
