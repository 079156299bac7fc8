"""The latency of a candidate, in the process that tunes: to rank candidates by, not to publish."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

#: A latency is the median of so many runs after so many that are not counted.
WARM_UP_RUNS = 5
TIMED_RUNS = 15


def latency_ns(run: Callable[[], Any]) -> float:
    """Return the median time of `run` in nanoseconds, warmed up."""
    for _ in range(WARM_UP_RUNS):
        run()
    samples = []
    for _ in range(TIMED_RUNS):
        started = time.perf_counter_ns()
        run()
        samples.append(time.perf_counter_ns() - started)
    return float(statistics.median(samples))
