"""Percentiles of a run that was stopped early, with the bound that LoadGen puts on them.

MLPerf Inference, LoadGen, early_stopping.cc: of `n` queries the `t` slowest may be passed over as long as so few of
them, or fewer, would be beyond the true percentile with a probability below 1 - confidence; a binomial test. The bound
is then the slowest query but t - 1, and the true percentile is not above it with that confidence. It is about queries
of one process; how processes differ, it does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

#: LoadGen's own.
CONFIDENCE = 0.99


@dataclass(frozen=True)
class Percentile:
    """A share of the queries, the latency that it took at most, and the bound on it; None where too few were made."""

    percentile: float
    latency_ns: int
    bound_ns: int | None


def discarded(queries: int, percentile: float, confidence: float = CONFIDENCE) -> int | None:
    """Return how many of the slowest queries the bound passes over, itself included; None when there are too few.

    That is the largest t of at least 1 with P(X <= t) < 1 - confidence, X binomial of `queries` trials at 1 -
    `percentile`.
    """
    fewer = stats.binom.cdf(np.arange(queries + 1), queries, 1 - percentile) < 1 - confidence
    found = int(np.count_nonzero(fewer)) - 1
    return found if found >= 1 else None


def percentiles(
    latency_ns: Sequence[int], wanted: Sequence[float] = (0.5, 0.9, 0.95, 0.99), confidence: float = CONFIDENCE
) -> list[Percentile]:
    """Return the percentiles of a run as LoadGen reports them: element ``int(n p)`` of the sorted latencies."""
    ordered = sorted(int(one) for one in latency_ns)
    found = []
    for percentile in wanted:
        passed = discarded(len(ordered), percentile, confidence)
        bound = None if passed is None else ordered[len(ordered) - passed]
        found.append(Percentile(percentile, ordered[int(len(ordered) * percentile)], bound))
    return found
