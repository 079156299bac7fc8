"""How right a cell is, how far that is from FP32 on the very same rows, and whether the criterion holds.

Rows that both sides got right or wrong say nothing about a difference, so differences are always paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats
from statsmodels.stats.proportion import proportion_confint

from harness.stats import extra_row, tango
from harness.stats.estimate import Interval
from harness.stats.metrics import METRICS

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

    Accuracy: the score interval of E. B. Wilson (JASA 22, 1927). Others: :mod:`harness.stats.extra_row`, with a fixed
    seed; without ends for a single row, and where the metric is undefined.

    Parameters
    ----------
    name : accuracy, f1_macro, matthews, pearson or perplexity.
    predictions, references : shape (rows,); class indices; numbers for pearson; for perplexity each row's mean loss in
        nats, and how many tokens it is the mean of.
    """
    if name not in METRICS:
        return None
    predicted, true = _same_rows(predictions, references)
    value = float(METRICS[name](predicted, true))
    if name != "accuracy":
        return _interval(value, extra_row.of_metric(name, predicted, true), confidence, seed)
    right = int((predicted == true).sum())
    low, high = proportion_confint(right, len(true), alpha=1 - confidence, method="wilson")
    return Interval(value, min(value, float(low)), max(value, float(high)))


def metric_value(
    name: str, predictions: Sequence[float] | np.ndarray, references: Sequence[float] | np.ndarray
) -> float | None:
    """Return a metric of some rows as :func:`metric_interval` does, without its interval; None if it is not known."""
    return float(METRICS[name](*_same_rows(predictions, references))) if name in METRICS else None


def paired_difference(
    name: str,
    predictions: Sequence[float] | np.ndarray,
    baseline_predictions: Sequence[float] | np.ndarray,
    references: Sequence[float] | np.ndarray,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval | None:
    """Return the metric minus the baseline's on the same rows, with a paired interval; None for an unknown metric.

    Accuracy: :func:`tango_interval`. Others: :mod:`harness.stats.extra_row`, which weighs whole rows, so that both
    sides keep their pairing. Both allow the disagreement that so few rows cannot exclude: equal predictions give an
    interval with a width.

    Parameters
    ----------
    predictions, baseline_predictions, references : shape (rows,), in the same row order.
    """
    if name not in METRICS:
        return None
    predicted, true = _same_rows(predictions, references)
    baseline, _ = _same_rows(baseline_predictions, references)
    metric = METRICS[name]
    if name == "accuracy":
        outcome = outcomes(predicted, baseline, true)
        return tango_interval(outcome.fixed, outcome.broken, len(true), confidence)

    value = float(metric(predicted, true) - metric(baseline, true))
    return _interval(value, extra_row.of_difference(name, predicted, baseline, true), confidence, seed)


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
    z_squared = float(stats.norm.ppf((1 + confidence) / 2)) ** 2
    estimate = (fixed - broken) / rows

    def excess(difference: float) -> float:
        """The squared score statistic against its critical value, times the variance: negative inside the interval."""
        return (fixed - broken - rows * difference) ** 2 - z_squared * tango.variance(fixed, broken, rows, difference)

    # At the estimate itself the variance may vanish (no disagreement, or nothing else), and `excess` with it.
    step = 1e-9
    low = optimize.brentq(excess, -1.0, estimate - step) if estimate - step > -1 else -1.0
    high = optimize.brentq(excess, estimate + step, 1.0) if estimate + step < 1 else 1.0
    return Interval(estimate, float(low), float(high))


def outcomes(
    predictions: Sequence[int] | np.ndarray,
    baseline_predictions: Sequence[int] | np.ndarray,
    references: Sequence[int] | np.ndarray,
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


def _same_rows(predictions: Sequence[float] | np.ndarray, references: Sequence[float] | np.ndarray) -> tuple:
    predicted, true = np.asarray(predictions), np.asarray(references)
    if predicted.ndim != 1 or predicted.shape != true.shape or true.size == 0:
        raise ValueError(f"want as many predictions as references, at least one: {predicted.shape}, {true.shape}")
    return predicted, true


def _interval(value: float, subject: extra_row.Weighable, confidence: float, seed: int) -> Interval:
    """Return the value with its limits; without them from one row, which tells nothing of the next."""
    low, high = extra_row.limits(subject, confidence, seed) if subject.counts.sum() > 1 else (None, None)
    if low is None or high is None:
        return Interval(value)
    # The value comes from the rows and the limits from sums over them, which round differently.
    return Interval(value, min(low, value), max(high, value))
