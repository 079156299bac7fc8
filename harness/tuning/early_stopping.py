"""Looking at an evaluation before its end without fooling oneself."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from harness.tuning.criterion import Criterion, judge
from harness.tuning.subject import Evaluated

#: Looks that are planned for one evaluation, the last one at its end.
PLANNED_LOOKS = 5

#: A share that is a whole look up to rounding counts as one.
_WHOLE = 1e-9


class EarlyStopping:
    """Says whether the rows seen so far decide the criterion, at the looks that are planned and between them never.

    The looks are at equal shares of the rows of FP32's evaluation, the last at the end. Each look and each metric is
    another chance to be wrong, so each gets an equal share of the error that is allowed (Bonferroni, that is alpha
    spending in equal parts): the chance that any of them decides wrongly is at most ``1 - confidence``, however the
    looks depend on each other.
    """

    def __init__(self, criterion: Criterion, baseline: Evaluated, confidence: float, planned: int = PLANNED_LOOKS):
        self._criterion = criterion
        self._baseline = baseline
        self._confidence = confidence
        self._planned = planned
        self._taken = 0

    @property
    def confidence(self) -> float:
        """The confidence of each interval: the whole error for an evaluation that was never looked into."""
        looks = self._planned if self._taken else 1
        return 1 - (1 - self._confidence) / (looks * len(self._criterion.bounds))

    def decided(self, scores: Mapping[str, np.ndarray]) -> bool:
        """Return whether the evaluation may end here; may be asked after each batch.

        Parameters
        ----------
        scores : of the rows seen so far, the first of FP32's evaluation, for each metric of the criterion.
        """
        metrics = [bound.metric for bound in self._criterion.bounds]
        if any(metric not in scores or metric not in self._baseline.scores for metric in metrics):
            return False
        shares = [len(scores[metric]) / max(len(self._baseline.scores[metric]), 1) for metric in metrics]
        due = math.floor(self._planned * min(shares) + _WHOLE)
        if due <= self._taken or due >= self._planned:
            return False
        self._taken = due
        seen = Evaluated({metric: float(np.mean(scores[metric])) for metric in metrics}, scores=scores)
        return judge(self._criterion, self._baseline, seen, self.confidence).state != "undecided"
