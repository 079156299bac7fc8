"""Whether one variant of a comparison predicts better or worse than the other, on the very same rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from harness import metrics
from harness.stats.decisions.verdict import adjusted
from harness.stats.predictions.accuracy import outcomes, paired_difference
from harness.stats.timings.estimate import Interval

_RESAMPLES = 2000
#: Rows of resamples that the permutation test may hold at once.
_BATCH_ELEMENTS = 2**22


@dataclass(frozen=True)
class Evaluated:
    """One artefact's accuracy: the metric, a prediction a row, and the digest of its logits."""

    metric: str
    value: float
    predictions: Sequence[float]
    logits_sha256: str


@dataclass(frozen=True)
class Subject:
    """Two variants evaluated on the same rows, and the loss that their protocol allows, in the metric's unit."""

    one: Evaluated
    other: Evaluated
    references: Sequence[float]
    allowed: float
    greater_is_better: bool = True


@dataclass(frozen=True)
class AccuracyChange:
    """A verdict in the other variant: bit-equal, equivalent, better, worse or inconclusive.

    `difference` is the other's metric minus the one's. `broken` counts rows that only the one got right, `fixed` those
    that only the other did, and `p` is the paired test's before adjustment; None where there is no such test.
    """

    verdict: str
    difference: Interval
    broken: int | None
    fixed: int | None
    p: float | None


def accuracy_changes(
    subjects: Sequence[Subject], alpha: float = 0.05, confidence: float = 0.95, seed: int = 0
) -> list[AccuracyChange]:
    """Judge the accuracy of two variants, cell by cell.

    Bit-equal: every bit of the logits is. Equivalent: the whole paired interval of the difference lies within the
    allowed loss, in both directions. Better or worse: the paired test rejects "the variants are exchangeable" after
    adjustment for the number of cells (Benjamini and Hochberg, JRSS B 57, 1995). The test is McNemar's exact one for
    accuracy, and else a permutation test that swaps the variants' predictions row by row (A. Yeh, COLING 2000).
    """
    differences = [_difference(subject, confidence, seed) for subject in subjects]
    tested = [_p(subject, seed) for subject in subjects]
    changes = []
    for subject, difference, p, p_adjusted in zip(
        subjects, differences, tested, adjusted([math.nan if p is None else p for p in tested]), strict=True
    ):
        broken, fixed = _moved(subject)
        word = _word(subject, difference, p_adjusted <= alpha)
        changes.append(AccuracyChange(word, difference, broken, fixed, p))
    return changes


def _word(subject: Subject, difference: Interval, is_change: bool) -> str:
    if subject.one.logits_sha256 == subject.other.logits_sha256:
        return "bit-equal"
    ends = [abs(end) for end in (difference.low, difference.high) if end is not None]
    if len(ends) == 2 and max(ends) <= subject.allowed:
        return "equivalent"
    if is_change and difference.estimate:
        return "better" if (difference.estimate > 0) == subject.greater_is_better else "worse"
    return "inconclusive"


def _difference(subject: Subject, confidence: float, seed: int) -> Interval:
    one, other = subject.one, subject.other
    plain = Interval(other.value - one.value)
    paired = paired_difference(one.metric, other.predictions, one.predictions, subject.references, confidence, seed)
    # Where a metric does not follow from the predictions, their interval would be of something else.
    if paired is not None and math.isclose(paired.estimate, plain.estimate, rel_tol=1e-6, abs_tol=1e-9):
        return paired
    return plain


def _p(subject: Subject, seed: int) -> float | None:
    name, true = subject.one.metric, np.asarray(subject.references)
    one, other = np.asarray(subject.one.predictions), np.asarray(subject.other.predictions)
    metric = metrics.find(name)
    if metric is None:
        return None
    if metric.is_share:
        return outcomes(other, one, true).mcnemar_p
    if (one == other).all():
        return 1.0

    def difference(first: np.ndarray, second: np.ndarray, axis: int = -1) -> np.ndarray:
        references = np.broadcast_to(true, first.shape)
        apart: np.ndarray = metric.values(second, references) - metric.values(first, references)
        return np.round(apart, 12)

    result = stats.permutation_test(
        (one, other),
        difference,
        permutation_type="samples",
        n_resamples=_RESAMPLES,
        batch=max(_BATCH_ELEMENTS // len(true), 1),
        vectorized=True,
        random_state=np.random.default_rng(seed),
    )
    return float(result.pvalue) if math.isfinite(result.pvalue) else None


def _moved(subject: Subject) -> tuple[int | None, int | None]:
    """Return how many rows are broken and fixed; None where predictions are numbers, neither right nor wrong."""
    metric = metrics.find(subject.one.metric)
    if metric is not None and metric.is_numeric:
        return None, None
    compared = outcomes(subject.other.predictions, subject.one.predictions, subject.references)
    return compared.broken, compared.fixed
