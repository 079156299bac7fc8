"""The stage `measure`: one invocation, a fresh process that loads an artefact and times its forward passes.

An invocation is the statistical unit; its iterations only estimate its level. Each series is warmed up until it is
flat (:mod:`harness.worker.timing.warm_up`), then timed for `measure_seconds` and `min_iterations`, whichever is reached
last, so that a slow cell still yields a median. So that it does not take for ever, a series ends at ten times
`measure_seconds` if it has five iterations by then.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.backends.base import Backend, backend_class
from harness.data.any_rows import AnyRows
from harness.data.seeding import fix_threads
from harness.data.token_rows import load_rows
from harness.errors import StageError
from harness.host import counters as system
from harness.models.limits import require_positions
from harness.worker.stages.tokenise import facts
from harness.worker.timing import control_load, interleave, memory, stopwatch, warm_up
from harness.worker.timing.counters import Counters
from harness.worker.timing.import_clock import ImportClock, without
from harness.worker.timing.interleave import Turns

if TYPE_CHECKING:
    from harness.config.cell import Cell
    from harness.config.schema import ProtocolConfig
    from harness.ipc.report import Report

#: Counts what is done in its body.
Counting = Callable[[], AbstractContextManager[None]]

#: So many different batches are cycled through: enough that no one row's tokens decide, few enough to stay in memory.
BATCHES = 8

#: Where each text keeps its length it takes more of them to look like the task.
REAL_BATCHES = 32

#: A series that is slow ends at so many times `measure_seconds`, but not below so many iterations.
SLOW_FACTOR = 10
SLOW_ITERATIONS = 5

#: Of interleaved processes a turn has so many passes that count, or one round of batches of real lengths: few, for what
#: disturbs a shared host changes within tenths of a second, and more turns tell more than longer ones.
TURN_ITERATIONS = 2

#: Passes of so many seconds, one or a round at least, are not counted at the beginning of a turn. The caches are cold
#: then, and where an idle core halts the guest, it is awake still: an INT8 model whose threads sleep between its ops
#: took 9.6 ms twice and then 14.5 ms for good, as it does by itself, where one in FP32 took 29 ms all the while.
SETTLE_SECONDS = 0.04

#: And no more of them: a pass of a tiny model takes tenths of a millisecond.
MOST_SETTLING = 1000

#: A series has no more turns.
MOST_TURNS = 400

#: No series is longer: beyond it a median does not get better, and the record only longer.
MOST_ITERATIONS = 50_000


def run(spec: dict[str, Any], cell: Cell, report: Report) -> dict[str, Any]:
    """Time ``spec["inputs"]["artefact"]`` at the protocol's latency and throughput batch sizes.

    ``spec["started_ns"]`` is the monotonic clock at the child's entry. The rows are those of the evaluation split,
    texts padded or cut to one length, or each batch as long as its longest text; which ones is drawn from the seed and
    ``spec["options"]["block"]``, so all cells of a block see the same. Where lengths are real, the series is whole
    rounds over the batches (if it is not too slow for one), so that no cell is timed on shorter texts than another.

    ``spec["options"]["turns"]`` are those of :mod:`harness.worker.timing.interleave`, where others are timed meanwhile,
    with how many `seconds` of turns a series may take and the `least` number of them. Each turn begins with passes that
    are not counted (see :data:`SETTLE_SECONDS`).

    Returns
    -------
    dict : import_seconds (from the child's entry until the framework is there, without the control), load_seconds (of
        the model, its imports taken off), rss_loaded_bytes, threads, cores, series (role, batch_size, sequence_length
        (None for images and real lengths), [tokens (of each batch of the round, where lengths are real),] steady,
        warmup_ns, latency_ns[, turns: the iterations of each], counters (see :mod:`harness.worker.timing.counters`) of
        its counted_passes), control, system (before, after), timer_ns, placement.

    Raises
    ------
    StageError : ``nan`` when the last logits of a series are not finite, ``bad_data`` when there is no row.
    """
    with Counters(sorted(os.sched_getaffinity(0))) as counters:
        return _run(spec, cell, report, counters)


def _run(spec: dict[str, Any], cell: Cell, report: Report, counters: Counters) -> dict[str, Any]:
    before_ns = time.monotonic_ns() - spec["started_ns"]
    # First of all, while nothing else is loaded, so that nothing of the cell is part of what it tells of the host.
    disturbance = control_load.run(spec["threads"])
    backend, import_ns, load_ns = _load(spec, cell)
    fix_threads(spec["seed"], spec["threads"])
    rss_loaded_bytes = system.resident_bytes()
    tokenised = Path(spec["inputs"]["tokenised"])
    rows = load_rows(tokenised / "evaluation.npz")
    length = padded_length(cell, tokenised)
    cores = sorted(os.sched_getaffinity(0))
    sizes = {"latency": cell.protocol.latency_batch_size, "throughput": cell.protocol.throughput_batch_size}
    timer_ns = stopwatch.own_cost_ns()
    series = []
    with interleave.of(spec["options"]) as turns:
        if turns is not None:
            report.ready()
            turns.begin()
        before = system.snapshot(cores)
        for done, (role, batch_size) in enumerate(sizes.items()):
            report.progress("measure", done, len(sizes), f"{role}, batch {batch_size}")
            count = REAL_BATCHES if cell.protocol.lengths == "real" else BATCHES
            batches = choose(rows, batch_size, length, spec["seed"], spec["options"]["block"], count)
            inputs = [backend.inputs(batch) for batch in batches]
            timing = _series(backend, inputs, cell, role, turns, spec["options"], counters)
            shape = {"sequence_length": length, **tokens(batches, cell.protocol)}
            series.append({"role": role, "batch_size": batch_size, **shape, **timing})
        if turns is not None:
            turns.end()
        after = system.snapshot(cores)
    return {
        "import_seconds": (before_ns + import_ns) / 1e9,
        "load_seconds": load_ns / 1e9,
        "rss_loaded_bytes": rss_loaded_bytes,
        "threads": spec["threads"],
        "cores": cores,
        "series": series,
        "control": disturbance,
        "system": {"before": before, "after": after},
        "timer_ns": timer_ns,
        "placement": memory.placed(spec),
    }


def padded_length(cell: Cell, tokenised: Path) -> int | None:
    """Return the tokens that each row is padded or cut to; None for images, and where rows keep their lengths.

    Raises
    ------
    StageError : ``bad_config`` where that is more than the model has positions for.
    """
    known = facts(tokenised)
    length = known["max_length"]
    if length is None or cell.protocol.lengths == "real":
        return None
    require_positions(cell.protocol.sequence_length, known.get("positions"), cell.model.name)
    return cell.protocol.sequence_length or length


def loaded(spec: dict[str, Any], cell: Cell) -> tuple[Backend, AnyRows, int | None]:
    """Return the backend with its artefact, the evaluation rows and :func:`padded_length`, with threads fixed."""
    backend, _, _ = _load(spec, cell)
    fix_threads(spec["seed"], spec["threads"])
    tokenised = Path(spec["inputs"]["tokenised"])
    return backend, load_rows(tokenised / "evaluation.npz"), padded_length(cell, tokenised)


def tokens(batches: list[dict[str, np.ndarray]], protocol: ProtocolConfig) -> dict[str, list[int]]:
    """Return how many tokens a row of each batch has, padding included, where that differs from batch to batch."""
    if protocol.lengths != "real":
        return {}
    return {"tokens": [int(batch["input_ids"].shape[1]) for batch in batches]}


def choose(
    rows: AnyRows, batch_size: int, length: int | None, seed: int, block: int, count: int = BATCHES
) -> list[dict[str, np.ndarray]]:
    """Return `count` batches of rows drawn without repetition, and again from the start where rows run out.

    Raises
    ------
    StageError : ``bad_data`` when there is no row.
    """
    if len(rows) == 0:
        raise StageError("bad_data", "the evaluation split has no row to measure on")
    # The legacy generator's stream is the same in every version of NumPy, so in every environment.
    order = np.random.RandomState([seed % 2**32, block]).permutation(len(rows))
    chosen = np.resize(order, (count, batch_size))
    return [rows.batch(indices, length) for indices in chosen]


def _load(spec: dict[str, Any], cell: Cell) -> tuple[Backend, int, int]:
    """Return the loaded backend, and the nanoseconds of its imports and of the rest of its loading."""
    # transformers imports scikit-learn wherever it finds it, for one way of generating text, and with it SciPy, pandas
    # and pyarrow: 110 MB and two seconds of each process. Code that comes with a model may need it, though.
    spared = contextlib.nullcontext() if cell.model.trust_remote_code else without("sklearn")
    with spared, ImportClock() as imports:
        start_ns = time.monotonic_ns()
        backend = backend_class(cell.backend.name)()
        backend.load(Path(spec["inputs"]["artefact"]), cell)
        total_ns = time.monotonic_ns() - start_ns
    return backend, imports.elapsed_ns, total_ns - imports.elapsed_ns


def taker(backend: Backend, inputs: list[Any]) -> Callable[[int, float], list[int]]:
    """Return a function that makes so many forward passes, or those of so many seconds, and returns their times."""
    batches = itertools.cycle(inputs)

    def take(count: int, seconds: float) -> list[int]:
        chunk = [0] * count
        made, _ = stopwatch.timed(
            backend.forward, batches, chunk, seconds=0, minimum=count, limit_seconds=seconds, floor=1
        )
        return chunk[:made]

    return take


def _series(
    backend: Backend,
    inputs: list[Any],
    cell: Cell,
    role: str,
    turns: Turns | None,
    options: Mapping[str, Any],
    counters: Counters,
) -> dict[str, Any]:
    """Warm up, then time; nothing is sent, collected or allocated by us meanwhile."""
    protocol = cell.protocol
    counted: dict[str, int | None] = {}
    counting = functools.partial(counters.counting, counted)
    whole = len(inputs) if protocol.lengths == "real" else 1
    with stopwatch.undisturbed():
        take = taker(backend, inputs)
        with turns.turn() if turns else contextlib.nullcontext():
            # A shape that a framework has not met yet is slow once.
            first = take(whole, SLOW_FACTOR * protocol.warmup_max_seconds) if whole > 1 else []
            # By the round before, which may have been cut short.
            expected = first if len(first) == whole > 1 else ()
            patience = warm_up.PATIENCE if role == "latency" else warm_up.NO_PATIENCE
            warm = warm_up.warm_up(take, protocol.warmup_window, protocol.warmup_max_seconds, expected, patience)
        if turns is None:
            found, output = _alone(backend, inputs, protocol, whole, counting)
        else:
            pass_ns = float(np.median(warm.samples_ns))
            count = turns.agree(_turn_count(protocol, whole, options["turns"], pass_ns))
            found, output = _interleaved(backend, inputs, protocol, whole, turns, count, counting)
    if not np.isfinite(backend.logits(output)).all():
        batch_size = getattr(protocol, f"{role}_batch_size")
        raise StageError("nan", f"{role} at batch {batch_size}: logits are not finite")
    discarded = [*first, *warm.samples_ns, *found.pop("discarded_ns", [])]
    return {"steady": warm.steady, "warmup_ns": discarded, "counters": counted, **found}


def _alone(
    backend: Backend, inputs: list[Any], protocol: ProtocolConfig, whole: int, counting: Counting
) -> tuple[dict[str, Any], Any]:
    """Return the timed passes, whole rounds of them where there are such, and the last output."""
    samples = [0] * MOST_ITERATIONS
    with counting():
        count, output = stopwatch.timed(
            backend.forward,
            itertools.cycle(inputs),
            samples,
            seconds=protocol.measure_seconds,
            minimum=max(protocol.min_iterations, whole),
            limit_seconds=SLOW_FACTOR * protocol.measure_seconds,
            floor=SLOW_ITERATIONS,
        )
    return {"latency_ns": samples[: count - count % whole or count], "counted_passes": count}, output


def _turn_count(protocol: ProtocolConfig, whole: int, wanted: Mapping[str, Any], pass_ns: float) -> int:
    """Return how many turns of passes of `pass_ns` there is time for, enough of them for the protocol's iterations."""
    passes = max(TURN_ITERATIONS, whole)
    turn_ns = max(SETTLE_SECONDS * 1e9, whole * pass_ns) + passes * pass_ns
    fitting = max(protocol.measure_seconds, wanted["seconds"]) * 1e9 / turn_ns
    slow = SLOW_FACTOR * protocol.measure_seconds * 1e9 / turn_ns
    enough = min(math.ceil(protocol.min_iterations / passes), slow)
    return min(max(int(max(fitting, enough)), wanted["least"]), MOST_TURNS)


def _interleaved(
    backend: Backend,
    inputs: list[Any],
    protocol: ProtocolConfig,
    whole: int,
    turns: Turns,
    count: int,
    counting: Counting,
) -> tuple[dict[str, Any], Any]:
    """Return the passes of `count` turns, and the last output."""
    passes = max(TURN_ITERATIONS, whole)
    chunks: list[list[int]] = []
    discarded: list[int] = []
    for _ in range(count):
        # From the first batch each time, so that a round is one.
        take, settling = taker(backend, inputs), [0] * MOST_SETTLING
        with turns.turn():
            made, _ = stopwatch.timed(
                backend.forward,
                itertools.cycle(inputs),
                settling,
                seconds=SETTLE_SECONDS,
                minimum=whole,
                limit_seconds=protocol.time_limit_seconds,
                floor=1,
            )
            with counting():
                chunks.append(take(passes, protocol.time_limit_seconds))
            if len(chunks) == count:
                output = backend.forward(inputs[0])
        discarded += settling[:made]
    kept = list(itertools.chain.from_iterable(chunks))
    found = {"latency_ns": kept, "discarded_ns": discarded, "turns": [*map(len, chunks)], "counted_passes": len(kept)}
    return found, output
