"""The stage `scenario`: a fresh process that loads an artefact and is driven by LoadGen."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import StageError
from harness.host import counters
from harness.worker.stages.measure import choose, loaded, taker, tokens
from harness.worker.timing import loadgen, memory, stopwatch, warm_up

if TYPE_CHECKING:
    from harness.config.cell import Cell
    from harness.config.schema import ProtocolConfig
    from harness.ipc.report import Report

#: So many different queries there are: batches of the protocol's latency batch size.
QUERIES = 64

#: LoadGen estimates this percentile of a single stream, as MLPerf does, beside the 99th.
SINGLE_STREAM_PERCENTILE = 0.9


def run(spec: dict[str, Any], cell: Cell, report: Report) -> dict[str, Any]:
    """Measure the scenario ``spec["options"]["scenario"]`` on ``spec["inputs"]["artefact"]``.

    A query is a batch of the protocol's latency batch size. Options: block, loadgen (the folder of its packages),
    scratch (a folder for its logs).

    Returns
    -------
    dict : generator, batch_size, sequence_length, tokens, cores, threads, steady, warmup_ns, valid, per_second
        (queries; None where no rate is valid), percentile, limit_ns (None without one), probes (target_per_second,
        valid, scheduled_ns, latency_ns, loadgen), system, placement.

    Raises
    ------
    StageError : ``nan`` when the logits are not finite, ``bad_data`` when there is no row.
    """
    options, protocol = spec["options"], cell.protocol
    module, version = loadgen.load(Path(options["loadgen"]))
    backend, rows, length = loaded(spec, cell)
    batches = choose(rows, protocol.latency_batch_size, length, spec["seed"], options["block"], QUERIES)
    inputs = [backend.inputs(batch) for batch in batches]
    cores = sorted(os.sched_getaffinity(0))
    before = counters.snapshot(cores)
    report.progress("scenario", 0, 1, options["scenario"])
    with stopwatch.undisturbed():
        take = taker(backend, inputs)
        met = take(len(inputs), protocol.warmup_max_seconds)
        expected = met if protocol.lengths == "real" and len(met) == len(inputs) else ()
        warm = warm_up.warm_up(take, protocol.warmup_window, protocol.warmup_max_seconds, expected)
    driver = loadgen.Driver(
        module=module,
        forward=backend.forward,
        inputs=inputs,
        seeds=_seeds(spec["seed"], options["block"]),
        seconds=protocol.scenario.seconds,
        min_queries=protocol.scenario.min_queries,
        folder=Path(options["scratch"]),
    )
    measure = {"single_stream": _single_stream, "server": _server}[options["scenario"]]
    found = measure(driver, protocol, warm.samples_ns)
    if not np.isfinite(backend.logits(backend.forward(inputs[0]))).all():
        raise StageError("nan", f"{options['scenario']}: logits are not finite")
    return {
        "generator": f"{loadgen.DISTRIBUTION} {version}",
        "batch_size": protocol.latency_batch_size,
        "sequence_length": length,
        **{"tokens": [], **tokens(batches, protocol)},
        "cores": cores,
        "threads": spec["threads"],
        "steady": warm.steady,
        "warmup_ns": [*met, *warm.samples_ns],
        **found,
        "system": {"before": before, "after": counters.snapshot(cores)},
        "placement": memory.placed(spec),
    }


def _single_stream(driver: loadgen.Driver, protocol: ProtocolConfig, warm_ns: list[int]) -> dict[str, Any]:
    # LoadGen makes queries for twice the time; with half the quickest as the expected latency they cannot run out.
    made = driver.single_stream(SINGLE_STREAM_PERCENTILE, min(warm_ns) // 2)
    rate = len(made.latency_ns) / ((made.scheduled_ns[-1] + made.latency_ns[-1]) / 1e9)
    return {
        "valid": made.valid,
        "per_second": rate if made.valid else None,
        "percentile": SINGLE_STREAM_PERCENTILE,
        "limit_ns": None,
        "probes": [_probe(made, None)],
    }


def _server(driver: loadgen.Driver, protocol: ProtocolConfig, warm_ns: list[int]) -> dict[str, Any]:
    """Try the rate that the protocol names; else look for the highest one, below what one query at a time allows."""
    scenario = protocol.scenario
    limit_ns = round(scenario.server_limit_ms * 1e6)
    probes: list[dict[str, Any]] = []
    begin = time.monotonic()

    def probe(rate: float) -> bool:
        made = driver.server(rate, scenario.server_percentile, limit_ns)
        probes.append(_probe(made, rate))
        return made.valid

    def go_on() -> bool:
        # Where not even the quickest query of an unloaded model keeps the limit, no lower rate can help.
        within = min(min(warm_ns), *probes[-1]["latency_ns"]) <= limit_ns
        return within and time.monotonic() - begin < scenario.server_max_seconds

    if scenario.server_per_second is not None:
        best = scenario.server_per_second if probe(scenario.server_per_second) else None
    else:
        # Below it a run would be over before it has sent as many queries as it needs.
        least = scenario.min_queries / (loadgen.LONGEST * scenario.seconds)
        best = loadgen.search(probe, least, 1e9 / float(np.median(warm_ns)), scenario.server_probes, go_on)
    return {
        "valid": best is not None,
        "per_second": best,
        "percentile": scenario.server_percentile,
        "limit_ns": limit_ns,
        "probes": probes,
    }


def _probe(made: loadgen.Run, rate: float | None) -> dict[str, Any]:
    values = dataclasses.asdict(made)
    return {"target_per_second": rate, **{name: values[name] for name in _RECORDED}, "loadgen": made.said}


_RECORDED = ("valid", "scheduled_ns", "latency_ns", "samples")


def _seeds(seed: int, block: int) -> loadgen.Seeds:
    """Return seeds that all cells of a block share."""
    return loadgen.Seeds(*(int(one) for one in np.random.RandomState([seed % 2**32, block]).randint(1, 2**31 - 1, 3)))
