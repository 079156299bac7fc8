"""The stage `instance`: one of several processes that work at the same time, each on cores of its own."""

from __future__ import annotations

import fcntl
import itertools
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import StageError
from harness.host import counters
from harness.worker.stages.measure import MOST_ITERATIONS, REAL_BATCHES, choose, loaded, taker, tokens
from harness.worker.timing import memory, stopwatch, warm_up

if TYPE_CHECKING:
    from harness.config.cell import Cell
    from harness.ipc.report import Report


def run(spec: dict[str, Any], cell: Cell, report: Report) -> dict[str, Any]:
    """Warm up, wait at ``spec["options"]["gate"]`` for the others, and work at the throughput batch size.

    ``spec["options"]["instance"]`` is this one's place among them: each has rows of its own.

    Returns
    -------
    dict : cores, threads, batch_size, sequence_length, tokens, steady, warmup_ns, begin_ns (of the monotonic clock,
        which all processes share), latency_ns, system (before, after), placement.

    Raises
    ------
    StageError : ``nan`` when the logits are not finite, ``bad_data`` when there is no row.
    """
    options, protocol = spec["options"], cell.protocol
    backend, rows, length = loaded(spec, cell)
    seed = spec["seed"] + options["instance"]
    batches = choose(rows, protocol.throughput_batch_size, length, seed, options["block"], REAL_BATCHES)
    inputs = [backend.inputs(batch) for batch in batches]
    samples = [0] * MOST_ITERATIONS
    cores = sorted(os.sched_getaffinity(0))
    with stopwatch.undisturbed(), Path(options["gate"]).open() as gate:
        take = taker(backend, inputs)
        met = take(len(inputs) if protocol.lengths == "real" else 1, protocol.warmup_max_seconds)
        expected = met if protocol.lengths == "real" and len(met) == len(inputs) else ()
        warm = warm_up.warm_up(take, protocol.warmup_window, protocol.warmup_max_seconds, expected)
        report.ready()
        before = counters.snapshot(cores)
        # Held exclusively by the parent until the last instance is ready.
        fcntl.flock(gate, fcntl.LOCK_SH)
        begin_ns = time.monotonic_ns()
        count, output = stopwatch.timed(
            backend.forward,
            itertools.cycle(inputs),
            samples,
            seconds=protocol.scenario.seconds,
            minimum=1,
            limit_seconds=protocol.scenario.seconds,
            floor=1,
        )
    after = counters.snapshot(cores)
    if not np.isfinite(backend.logits(output)).all():
        raise StageError("nan", "offline: logits are not finite")
    return {
        "cores": cores,
        "threads": spec["threads"],
        "batch_size": protocol.throughput_batch_size,
        "sequence_length": length,
        **{"tokens": [], **tokens(batches, protocol)},
        "steady": warm.steady,
        "warmup_ns": [*met, *warm.samples_ns],
        "begin_ns": begin_ns,
        "latency_ns": samples[:count],
        "system": {"before": before, "after": after},
        "placement": memory.placed(spec),
    }
