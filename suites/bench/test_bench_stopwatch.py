"""What the stopwatch itself costs an iteration; the target is 0.2 us.

Run with ``pytest suites/bench``. An item timed here is :data:`ITERATIONS` iterations.
"""

from __future__ import annotations

import itertools

from harness.worker.timing.stopwatch import own_cost_ns, timed, undisturbed

ITERATIONS = 10_000
TARGET_NS = 200


def test_stopwatch_own_cost(benchmark):
    """The loop around an empty function, less the bare calls, as each record states it."""
    cost_ns = benchmark(own_cost_ns)
    benchmark.extra_info["own_cost_ns"] = cost_ns
    assert cost_ns <= TARGET_NS


def test_stopwatch_loop(benchmark):
    """The loop with the calls of an empty function included."""
    samples, batches = [0] * ITERATIONS, itertools.cycle([None])

    def loop() -> None:
        timed(_nothing, batches, samples, seconds=0, minimum=ITERATIONS, limit_seconds=1e6, floor=1)

    with undisturbed():
        benchmark(loop)
    benchmark.extra_info["ns_an_iteration"] = benchmark.stats.stats.median * 1e9 / ITERATIONS


def _nothing(batch: object) -> None:
    pass
