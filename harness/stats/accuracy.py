"""How right a cell is, how far that is from FP32 on the very same rows, and whether the criterion holds.

Rows that both sides got right or wrong say nothing about a difference, so differences are always paired.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats
from statsmodels.stats.proportion import proportion_confint

from harness.stats import tango
from harness.stats.estimate import Interval

_RESAMPLES = 2000
#: Elements that the bootstrap may hold at once: 2**22 rows of 8 bytes in each of a few arrays.
_BATCH_ELEMENTS = 2**22

#: A metric of (predictions, references), both (..., rows), over the last axis.
Metric = Callable[[np.ndarray, np.ndarray], np.ndarray]

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

    Accuracy: the score interval of E. B. Wilson (JASA 22, 1927). Others: percentile bootstrap over rows (B. Efron,
    1979) with a fixed seed; without ends where the metric is undefined on some resample.

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
        return Interval(value, *_bootstrap(METRICS[name], (predicted, true), confidence, seed))
    right = int((predicted == true).sum())
    low, high = proportion_confint(right, len(true), alpha=1 - confidence, method="wilson")
    return Interval(value, min(value, float(low)), max(value, float(high)))


def paired_difference(
    name: str,
    predictions: Sequence[float] | np.ndarray,
    baseline_predictions: Sequence[float] | np.ndarray,
    references: Sequence[float] | np.ndarray,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval | None:
    """Return the metric minus the baseline's on the same rows, with a paired interval; None for an unknown metric.

    Accuracy: :func:`tango_interval`. Others: percentile bootstrap that draws whole rows, so that both sides keep
    their pairing. It cannot see a disagreement that it has not met: equal predictions give an interval without width.

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

    def difference(one: np.ndarray, other: np.ndarray, reference: np.ndarray) -> np.ndarray:
        return metric(one, reference) - metric(other, reference)

    value = float(difference(predicted, baseline, true))
    return Interval(value, *_bootstrap(difference, (predicted, baseline, true), confidence, seed))


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


def _bootstrap(
    statistic: Callable[..., np.ndarray], rows: tuple[np.ndarray, ...], confidence: float, seed: int
) -> tuple[float, float] | tuple[None, None]:
    """Return the percentile interval over resampled rows, or (None, None) where it cannot be computed."""
    if len(rows[0]) < 2:
        return None, None

    def over_last_axis(*arrays: np.ndarray, axis: int = -1) -> np.ndarray:
        return statistic(*arrays)

    with warnings.catch_warnings():
        # What it warns of, an undefined resample, is answered below.
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        result = stats.bootstrap(
            rows,
            over_last_axis,
            paired=True,
            vectorized=True,
            n_resamples=_RESAMPLES,
            batch=max(1, _BATCH_ELEMENTS // len(rows[0])),
            confidence_level=confidence,
            method="percentile",
            random_state=np.random.default_rng(seed),
        )
    low, high = (float(end) for end in result.confidence_interval)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else (None, None)


def _accuracy(predictions: np.ndarray, references: np.ndarray) -> np.ndarray:
    return (predictions == references).mean(axis=-1)


def _confusion(predictions: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return counts (..., true class, predicted class) of class indices (..., rows)."""
    classes = int(max(predictions.max(), references.max())) + 1
    lead = predictions.shape[:-1]
    flat = (references.astype(np.int64) * classes + predictions.astype(np.int64)).reshape(-1, predictions.shape[-1])
    offset = np.arange(len(flat))[:, None] * classes**2
    counts = np.bincount((flat + offset).ravel(), minlength=len(flat) * classes**2)
    return counts.reshape(*lead, classes, classes)


def _f1_macro(predictions: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Mean over the classes that occur on either side; a class without a hit counts 0 (as scikit-learn does)."""
    counts = _confusion(predictions, references)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    either = counts.sum(axis=-1) + counts.sum(axis=-2)
    f1 = np.divide(2 * hits, either, out=np.zeros(hits.shape), where=either > 0)
    return f1.sum(axis=-1) / (either > 0).sum(axis=-1)


def _matthews(predictions: np.ndarray, references: np.ndarray) -> np.ndarray:
    """The multi-class coefficient of J. Gorodkin (2004); 0 where a side has one class only."""
    counts = _confusion(predictions, references).astype(float)
    true, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    rows = true.sum(axis=-1)
    covariance = np.trace(counts, axis1=-2, axis2=-1) * rows - (true * predicted).sum(axis=-1)
    spread = (rows**2 - (true**2).sum(axis=-1)) * (rows**2 - (predicted**2).sum(axis=-1))
    return np.divide(covariance, np.sqrt(spread), out=np.zeros_like(covariance), where=spread > 0)


def _pearson(predictions: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Pearson's r; not a number where a side is constant."""
    one = predictions - predictions.mean(axis=-1, keepdims=True)
    other = references - references.mean(axis=-1, keepdims=True)
    spread = np.sqrt((one**2).sum(axis=-1) * (other**2).sum(axis=-1))
    undefined = np.full(np.shape(spread), np.nan)
    return np.divide((one * other).sum(axis=-1), spread, out=undefined, where=spread > 0)


def _perplexity(predictions: np.ndarray, references: np.ndarray) -> np.ndarray:
    """The exponential of the mean loss of a token."""
    return np.exp((predictions * references).sum(axis=-1) / references.sum(axis=-1))


#: The metrics that a row-wise interval is known for, by the names of harness/tasks/metrics.
METRICS: dict[str, Metric] = {
    "accuracy": _accuracy,
    "f1_macro": _f1_macro,
    "matthews": _matthews,
    "pearson": _pearson,
    "perplexity": _perplexity,
}

#: Of these, those whose predictions are numbers and no classes.
NUMERIC = frozenset({"pearson", "perplexity"})
