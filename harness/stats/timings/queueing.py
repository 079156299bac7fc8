"""The rate at which a server that answers one query at a time keeps a limit, from the times that its answers took.

LoadGen's own verdict on a rate includes early stopping at 99 % confidence: of 64 queries, one may be late where 90 %
must be in time. The highest rate that passes is a bound from below that is far from the rate itself for a model so slow
that it answers few queries. The times of its answers are known well from few of them, and what queues make of such
times follows: the recursion of D. V. Lindley (Math. Proc. Camb. Phil. Soc. 48, 1952), here of a Poisson process of
arrivals.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Queries that are drawn: the rate is then known within 1 %. The first, which met an empty queue, do not count.
_QUERIES, _FIRST = 200_000, 2_000

#: Halvings of the interval that the rate lies in.
_STEPS = 20


def service_ns(scheduled_ns: Sequence[int], latency_ns: Sequence[int]) -> np.ndarray:
    """Return what each answer took by itself, without the wait behind earlier queries.

    Parameters
    ----------
    scheduled_ns, latency_ns : of queries in the order in which they were due and answered; a latency counts from when
        its query was due.
    """
    due = np.asarray(scheduled_ns, float)
    done = due + np.asarray(latency_ns, float)
    begun = np.maximum(due, np.concatenate([[-np.inf], done[:-1]]))
    services: np.ndarray = done - begun
    return services


def highest_rate(services_ns: Sequence[float] | np.ndarray, share: float, limit_ns: float) -> float | None:
    """Return the queries a second of which a `share` is answered within `limit_ns`, in the long run.

    Services are drawn independently of each other from those given. The arrivals are the same numbers at each rate, so
    that latencies grow with it; the same input gives the same rate.

    Returns
    -------
    float : None where not even a query that waits for nobody keeps the limit.
    """
    measured = np.asarray(services_ns, float)
    if not len(measured) or np.quantile(measured, share) > limit_ns:
        return None
    # NumPy has promised never to change the legacy generator's stream.
    generator = np.random.RandomState(0)
    services = measured[generator.randint(len(measured), size=_QUERIES)]
    gaps = generator.exponential(size=_QUERIES)
    low, high = 0.0, 1 / measured.mean()
    for _ in range(_STEPS):
        rate = (low + high) / 2
        late = _latencies(services, gaps / rate)[_FIRST:] > limit_ns
        low, high = (rate, high) if late.mean() <= 1 - share else (low, rate)
    return low * 1e9


def _latencies(services: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Return the latency of each query: its wait is the one before's latency less the gap between them, if above 0."""
    # The recursion w[i] = max(0, w[i-1] + services[i-1] - gaps[i]), all at once.
    steps = np.concatenate([[0.0], np.cumsum(services[:-1] - gaps[1:])])
    latencies: np.ndarray = steps - np.minimum.accumulate(steps) + services
    return latencies
