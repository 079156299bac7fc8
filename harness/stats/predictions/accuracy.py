"""How right a cell is, how far that is from FP32 on the very same rows, and whether the criterion holds.

Rows that both sides got right or wrong say nothing about a difference, so differences are always paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from harness import metrics
from harness.metrics.base import Weighable
from harness.stats.predictions import extra_row, tango
from harness.stats.timings.estimate import Interval

#: 0.891 is 0.9 less one percent, though not in binary: losses that differ by less than this are the same.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Outcomes:
    """Row-by-row comparison of two classifiers on the same rows.

    `agreement` is the share of equal predictions; `broken` counts rows that only the baseline got right, `fixed` those
    that only the other did; `mcnemar_p` is the exact p-value of "as many are broken as fixed".
    """

    agreement: float
    broken: int
    fixed: int
    mcnemar_p: float


@dataclass(frozen=True)
class Criterion:
    """`state` is met, failed or undecided by the interval; `within` is the reading of the estimate alone.

    `allowed` is the loss that the criterion tolerates, in the metric's unit.
    """

    state: str
    within: bool
    allowed: float


def metric_interval(
    name: str,
    predictions: Sequence[float] | np.ndarray,
    references: Sequence[float] | np.ndarray,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval | None:
    """Return a metric of some rows with its interval, or None for a metric that is not known here.

    Accuracy: the score interval of E. B. Wilson (JASA 22, 1927). Others: :mod:`harness.stats.predictions.extra_row`,
    with a fixed seed; without ends for a single row, and where the metric is undefined.

    Parameters
    ----------
    name : accuracy, f1_macro, matthews, pearson or perplexity.
    predictions, references : shape (rows,); class indices; numbers for pearson; for perplexity each row's mean loss in
        nats, and how many tokens it is the mean of.
    """
    metric = metrics.find(name)
    if metric is None:
        return None
    predicted, true = _same_rows(predictions, references)
    value = float(metric.values(predicted, true))
    if not metric.is_share:
        return _interval(value, metric.weighable and metric.weighable([predicted], true), confidence, seed)
    right = int((predicted == true).sum())
    low, high = proportion_confint(right, len(true), alpha=1 - confidence, method="wilson")
    return Interval(value, min(value, float(low)), max(value, float(high)))


def metric_value(
    name: str, predictions: Sequence[float] | np.ndarray, references: Sequence[float] | np.ndarray
) -> float | None:
    """Return a metric of some rows as :func:`metric_interval` does, without its interval; None if it is not known."""
    metric = metrics.find(name)
    return None if metric is None else float(metric.values(*_same_rows(predictions, references)))


def paired_difference(
    name: str,
    predictions: Sequence[float] | np.ndarray,
    baseline_predictions: Sequence[float] | np.ndarray,
    references: Sequence[float] | np.ndarray,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval | None:
    """Return the metric minus the baseline's on the same rows, with a paired interval; None for an unknown metric.

    Accuracy: :func:`tango_interval`. Others: :mod:`harness.stats.predictions.extra_row`, which weighs whole rows, so
    that both sides keep their pairing. Both allow the disagreement that so few rows cannot exclude: equal predictions
    give an interval with a width.

    Parameters
    ----------
    predictions, baseline_predictions, references : shape (rows,), in the same row order.
    """
    metric = metrics.find(name)
    if metric is None:
        return None
    predicted, true = _same_rows(predictions, references)
    baseline, _ = _same_rows(baseline_predictions, references)
    if metric.is_share:
        outcome = outcomes(predicted, baseline, true)
        return tango_interval(outcome.fixed, outcome.broken, len(true), confidence)

    value = float(metric.values(predicted, true) - metric.values(baseline, true))
    return _interval(value, metric.weighable and metric.weighable([predicted, baseline], true), confidence, seed)


def tango_interval(fixed: int, broken: int, rows: int, confidence: float = 0.95) -> Interval:
    """Return the difference of two paired shares, ``(fixed - broken) / rows``, with Tango's score interval.

    T. Tango, Equivalence test and confidence interval for the difference in proportions for the paired-sample design,
    Statistics in Medicine 17 (1998) 891-908. The interval holds every difference that the score test does not reject;
    unlike Wald's it keeps its coverage with few disagreements, and has a width when there is none.

    Parameters
    ----------
    fixed, broken : rows that only the first, only the second side got right.
    rows : all rows, at least one.
    """
    if rows < 1 or fixed < 0 or broken < 0 or fixed + broken > rows:
        raise ValueError(f"no such table of paired outcomes: fixed={fixed}, broken={broken}, rows={rows}")
    return Interval((fixed - broken) / rows, *tango.interval(fixed, broken, rows, confidence))


def outcomes(
    predictions: Sequence[float] | np.ndarray,
    baseline_predictions: Sequence[float] | np.ndarray,
    references: Sequence[float] | np.ndarray,
) -> Outcomes:
    """Compare two classifiers row by row; arrays of class indices, shape (rows,).

    The test is exact: Q. McNemar, Psychometrika 12 (1947), by the binomial distribution of the broken rows.
    """
    predicted, true = _same_rows(predictions, references)
    baseline, _ = _same_rows(baseline_predictions, references)
    right, baseline_right = predicted == true, baseline == true
    broken = int((baseline_right & ~right).sum())
    fixed = int((right & ~baseline_right).sum())
    p = float(stats.binomtest(broken, broken + fixed, 0.5).pvalue) if broken + fixed else 1.0
    return Outcomes(float((predicted == baseline).mean()), broken, fixed, p)


def allowed_loss(baseline: float, tolerance: float, relative: bool) -> float:
    """Return the loss that a tolerance allows, in the metric's own unit; if `relative`, of ``abs(baseline)``."""
    return tolerance * abs(baseline) if relative else tolerance


def criterion(
    difference: Interval,
    baseline: float,
    tolerance: float = 0.01,
    relative: bool = True,
    greater_is_better: bool = True,
) -> Criterion:
    """Hold a difference (cell minus baseline) against the loss that is allowed.

    Met when the whole interval is within the allowed loss, failed when all of it is beyond, else undecided. A loss of
    exactly what is allowed is within it.

    Parameters
    ----------
    baseline : FP32's value of the metric, taken as known.
    tolerance : the allowed loss; if `relative`, as a share of ``abs(baseline)``, so that a negative correlation or a
        loss-like metric gets a tolerance and not a demand. A baseline of 0 then allows none.
    greater_is_better : False turns the sign: a loss is then a rise.
    """
    allowed = allowed_loss(baseline, tolerance, relative)
    bound = -(allowed + _ROUNDING)
    within = (difference.estimate if greater_is_better else -difference.estimate) >= bound
    if difference.low is None or difference.high is None:
        return Criterion("undecided", within, allowed)
    worst, best = (difference.low, difference.high) if greater_is_better else (-difference.high, -difference.low)
    state = "met" if worst >= bound else "failed" if best < bound else "undecided"
    return Criterion(state, within, allowed)


def _same_rows(
    predictions: Sequence[float] | np.ndarray, references: Sequence[float] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    predicted, true = np.asarray(predictions), np.asarray(references)
    if predicted.ndim != 1 or predicted.shape != true.shape or true.size == 0:
        raise ValueError(f"want as many predictions as references, at least one: {predicted.shape}, {true.shape}")
    return predicted, true


def _interval(value: float, subject: Weighable | None, confidence: float, seed: int) -> Interval:
    """Return the value with its limits; without them from one row, which tells nothing of the next."""
    if subject is None or subject.counts.sum() <= 1:
        return Interval(value)
    low, high = extra_row.limits(subject, confidence, seed)
    if low is None or high is None:
        return Interval(value)
    # The value comes from the rows and the limits from sums over them, which round differently.
    return Interval(value, min(low, value), max(high, value))
