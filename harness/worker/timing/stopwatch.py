"""The timing loop: two clock readings directly around each forward pass, and as little else as Python allows."""

from __future__ import annotations

import contextlib
import gc
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

#: `own_cost_ns` times so many iterations so many times and takes the quickest, as `timeit` does: noise only adds.
COST_ITERATIONS = 500
COST_REPEATS = 20


def timed(
    forward: Callable[[Any], Any],
    batches: Iterator[Any],
    samples: list[int],
    *,
    seconds: float,
    minimum: int,
    limit_seconds: float,
    floor: int,
) -> tuple[int, Any]:
    """Call `forward` on batch after batch and write each call's nanoseconds into `samples`.

    It ends after the iteration that reaches both `seconds` and `minimum`; or, where that takes for ever, after the one
    that reaches both `limit_seconds` and `floor`; or when `samples` is full.

    Parameters
    ----------
    batches : endless.
    samples : overwritten in place from its start; its length, at least 1, is the most iterations there can be. It is as
        long as that beforehand, so that the loop never makes it grow.

    Returns
    -------
    tuple : how many iterations there were, and the last output.
    """
    clock = time.perf_counter_ns
    last, last_of_slow = minimum - 1, floor - 1
    count, output = 0, None
    begin = clock()
    enough, limit = begin + int(seconds * 1e9), begin + int(limit_seconds * 1e9)
    for count, batch in zip(range(len(samples)), batches):  # noqa: B905 - a C loop without a second counter
        # The output before is freed here, not while the clock runs.
        output = None
        start = clock()
        output = forward(batch)
        end = clock()
        samples[count] = end - start
        if end >= enough and (count >= last or (end >= limit and count >= last_of_slow)):
            break
    return count + 1, output


def own_cost_ns() -> float:
    """Return what the loop costs beside the calls, in nanoseconds an iteration.

    The time of the loop over an empty function, less that of a plain loop over the same function. About a third of it
    falls between the two clock readings and so is part of each sample.
    """
    samples = [0] * COST_ITERATIONS
    batches = itertools.cycle([None])
    clock = time.perf_counter_ns
    costs, bare = [], []
    with undisturbed():
        for _ in range(COST_REPEATS):
            start = clock()
            timed(_nothing, batches, samples, seconds=0, minimum=COST_ITERATIONS, limit_seconds=1e6, floor=1)
            costs.append(clock() - start)
            start = clock()
            for _, batch in zip(range(COST_ITERATIONS), batches):  # noqa: B905 - as in `timed`
                _nothing(batch)
            bare.append(clock() - start)
    return max(0.0, (min(costs) - min(bare)) / COST_ITERATIONS)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Keep the garbage collector from running inside; afterwards it is as it was."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _nothing(batch: Any) -> None:
    pass
