"""Is a model any better than one that answers the same for every row? Where it is not, nothing else matters.

Then the order of the labels, the head or the data are most likely wrong, and a faster copy is as wrong as the original.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from harness import metrics
from harness.stats.predictions.accuracy import metric_interval
from harness.stats.timings.estimate import Interval

#: Metrics that do not see the scale of predictions: what is held against a constant is the best straight line of them.
SCALE_FREE = frozenset({"pearson", "pearsonr", "spearman", "spearmanr", "kendall", "kendalltau"})


@dataclass(frozen=True)
class Against:
    """A model beside the best constant answer for the same rows.

    Attributes
    ----------
    better : whether the lower end of the model's interval is above the constant's value.
    model : the model's value: share of right rows; or the share of the labels' variance that it explains.
    constant : what the constant has: the share of the most frequent class; 0 of the variance.
    answer : that class's index, or the mean of the labels.
    """

    better: bool
    model: Interval
    constant: float
    answer: float


def classes(
    predictions: Sequence[float] | np.ndarray, references: Sequence[float] | np.ndarray, confidence: float = 0.95
) -> Against:
    """Hold a classifier against always answering the most frequent class of the evaluated rows.

    The interval is Wilson's, as for every accuracy. Of equally frequent classes the first is taken.
    """
    values, counts = np.unique(np.asarray(references), return_counts=True)
    most = int(counts.argmax())
    share = float(counts[most] / counts.sum())
    mine = metric_interval("accuracy", predictions, references, confidence)
    assert mine is not None and mine.low is not None, "accuracy is known here, and has Wilson's ends"
    return Against(bool(mine.low > share), mine, share, float(values[most]))


def numbers(
    predictions: Sequence[float] | np.ndarray,
    references: Sequence[float] | np.ndarray,
    confidence: float = 0.95,
    scale_free: bool = False,
) -> Against:
    """Hold a regression against the mean of the evaluated labels, which no other constant's squared error is below.

    By default the rows' squared errors are compared, paired (a t interval of their mean difference, over the variance).
    `scale_free` is for correlations: a model whose answers lie on another scale is not wrong for them, so they are
    first put on the best straight line, and the interval is Fisher's of the correlation.
    """
    predicted, true = np.asarray(predictions, float), np.asarray(references, float)
    mean, variance = float(true.mean()), float(true.var())
    if len(true) < 2 or variance == 0:
        return Against(False, Interval(math.nan), 0.0, mean)
    if scale_free:
        if predicted.std() == 0 or len(true) < 4:
            return Against(False, Interval(0.0), 0.0, mean)
        found = stats.pearsonr(predicted, true)
        low, high = (float(end) for end in found.confidence_interval(confidence))
        return Against(bool(low > 0), Interval(float(found.statistic), low, high), 0.0, mean)
    gain = ((true - mean) ** 2 - (true - predicted) ** 2) / variance
    spread = float(gain.std(ddof=1))
    reach = float(stats.t.ppf((1 + confidence) / 2, len(gain) - 1)) * spread / math.sqrt(len(gain))
    low, high = float(gain.mean()) - reach, float(gain.mean()) + reach
    return Against(low > 0, Interval(float(gain.mean()), low, high), 0.0, mean)


def metric_of_constant(name: str, references: Sequence[float] | np.ndarray, answer: float) -> float | None:
    """Return what the metric `name` of classes is when each row is answered by class `answer`; None if unknown here."""
    metric = metrics.find(name)
    if metric is None:
        return None
    true = np.asarray(references)
    return float(metric.values(np.full(true.shape, int(answer)), true))
