"""What a metric is: its definition over samples of rows, and how its rows are weighed for an interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

#: Of tasks, that a metric can be for.
KINDS = ("classification", "regression", "language_modelling")


@dataclass(frozen=True)
class Weighable:
    """A statistic as a function of sums over rows.

    `features` has a line for each kind of row, shape (kinds, sums), and `counts` how many rows are of that kind.
    `worst` and `best` are the features of the row that lowers and of the one that raises the statistic most, shape
    (sums,). `value` turns sums of the shape (..., sums) into values (...).
    """

    features: np.ndarray
    counts: np.ndarray
    worst: np.ndarray
    best: np.ndarray
    value: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Metric:
    """A metric of predictions and references.

    Attributes
    ----------
    kind : of task that it is for, one of :data:`KINDS`.
    values : of (predictions, references), both (..., rows): the metric of each sample, over the last axis.
    weighable : of (sides, references), where `sides` holds one or two arrays of predictions of shape (rows,): the
        metric of the one, or of the first minus that of the second, for :mod:`harness.stats.predictions.extra_row`.
        None: no interval is known, and a table shows the value alone.
    is_share : a row is right or wrong, and the metric is the share of right ones: it gets Wilson's and Tango's
        intervals.
    percent : its values, from 0 to 1, are shown in percent.
    """

    kind: str
    values: Callable[[np.ndarray, np.ndarray], np.ndarray]
    weighable: Callable[[Sequence[np.ndarray], np.ndarray], Weighable] | None = None
    is_share: bool = False
    percent: bool = False

    @property
    def is_numeric(self) -> bool:
        """Whether predictions are numbers, neither right nor wrong."""
        return self.kind != "classification"
