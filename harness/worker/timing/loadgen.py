"""Drives a model with LoadGen, the load generator of MLPerf Inference, and reads back what it has logged.

The scenarios are those of V. J. Reddi et al., MLPerf Inference Benchmark, ISCA 2020: SingleStream sends a query when
the one before is answered; Server sends them as a Poisson process of a given rate, whatever is still unanswered. The
times are LoadGen's own, from its trace, and a query's latency counts from when it was due. The forward passes run in
the thread that calls, whose kernels are warm.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import itertools
import json
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import StageError
from harness.worker.timing.stopwatch import undisturbed

DISTRIBUTION = "mlcommons-loadgen"

#: What LoadGen calls its log files.
DETAIL, TRACE = "mlperf_log_detail.txt", "mlperf_log_trace.json"

#: A run ends early at so many times the wanted seconds, and then it is not valid.
LONGEST = 10


@dataclass(frozen=True)
class Seeds:
    """Which samples are sent, in which order, and when."""

    library: int
    order: int
    schedule: int


@dataclass(frozen=True)
class Run:
    """One LoadGen test: a value a query, in the order in which they were due.

    `scheduled_ns` counts from the first query's. `said` is what LoadGen's log says of the results, by its own names.
    """

    valid: bool
    scheduled_ns: list[int]
    latency_ns: list[int]
    samples: list[int]
    said: dict[str, Any]


@dataclass(frozen=True)
class Driver:
    """A model under LoadGen: `forward` is timed on one of the `inputs` a query; `folder` takes the logs.

    A run lasts `seconds` and `min_queries`, whichever is reached last.
    """

    module: ModuleType
    forward: Callable[[Any], Any]
    inputs: Sequence[Any]
    seeds: Seeds
    seconds: float
    min_queries: int
    folder: Path

    def single_stream(self, percentile: float, quickest_ns: int) -> Run:
        """Send query after query; `quickest_ns` is less than any of them takes, for LoadGen makes them all before."""
        settings = self._settings("SingleStream")
        settings.single_stream_target_latency_percentile = percentile
        settings.single_stream_expected_latency_ns = max(1, quickest_ns)
        failures: list[Exception] = []

        def issue(samples: list[Any]) -> None:
            for sample in samples:
                self._answer(sample.id, sample.index, failures)

        with undisturbed():
            self._test(settings, issue)
        if failures:
            raise failures[0]
        return self._read()

    def server(self, per_second: float, percentile: float, limit_ns: int) -> Run:
        """Send queries as a Poisson process, to be answered one after the other in the order of their arrival."""
        settings = self._settings("Server")
        settings.server_target_qps = per_second
        settings.server_target_latency_percentile = percentile
        settings.server_target_latency_ns = limit_ns
        waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def issue(samples: list[Any]) -> None:
            for sample in samples:
                waiting.put((sample.id, sample.index))

        def test() -> None:
            try:
                self._test(settings, issue)
            finally:
                waiting.put(None)

        failures: list[Exception] = []
        with undisturbed():
            running = threading.Thread(target=test, name="loadgen", daemon=True)
            running.start()
            while (query := waiting.get()) is not None:
                response, index = query
                self._answer(response, index, failures)
            running.join()
        if failures:
            raise failures[0]
        return self._read()

    def _settings(self, scenario: str) -> Any:
        settings = self.module.TestSettings()
        settings.scenario = getattr(self.module.TestScenario, scenario)
        settings.mode = self.module.TestMode.PerformanceOnly
        settings.min_duration_ms = round(self.seconds * 1000)
        settings.max_duration_ms = round(self.seconds * 1000 * LONGEST)
        settings.min_query_count = self.min_queries
        settings.qsl_rng_seed = self.seeds.library
        settings.sample_index_rng_seed = self.seeds.order
        settings.schedule_rng_seed = self.seeds.schedule
        return settings

    def _test(self, settings: Any, issue: Callable[[list[Any]], None]) -> None:
        output = self.module.LogOutputSettings()
        output.outdir = str(self.folder)
        output.copy_summary_to_stdout = False
        logs = self.module.LogSettings()
        logs.log_output = output
        logs.enable_trace = True
        count = len(self.inputs)
        under_test = self.module.ConstructSUT(issue, _nothing)
        library = self.module.ConstructQSL(count, count, _nothing, _nothing)
        try:
            self.module.StartTestWithLogSettings(under_test, library, settings, logs, "none")
        finally:
            self.module.DestroyQSL(library)
            self.module.DestroySUT(under_test)

    def _answer(self, response: int, index: int, failures: list[Exception]) -> None:
        """Run the query of a sample and answer it; once one has failed, the rest are answered at once.

        An error must not pass through LoadGen's own frames, and a test that waits for an answer would never end.
        """
        try:
            if not failures:
                self.forward(self.inputs[index])
        except Exception as error:
            failures.append(error)
        self.module.QuerySamplesComplete([self.module.QuerySampleResponse(response, 0, 0)])

    def _read(self) -> Run:
        said = results((self.folder / DETAIL).read_text(encoding="utf-8"))
        queries = trace((self.folder / TRACE).read_text(encoding="utf-8"))
        if not queries or len(queries) != said.get("result_query_count"):
            wanted = said.get("result_query_count")
            raise StageError("error", f"LoadGen counts {wanted} queries, its trace has {len(queries)}")
        first = queries[0][0]
        return Run(
            valid=said.get("result_validity") == "VALID",
            scheduled_ns=[scheduled - first for scheduled, _, _ in queries],
            latency_ns=[latency for _, latency, _ in queries],
            samples=[sample for _, _, sample in queries],
            said=said,
        )


def load(site: Path) -> tuple[ModuleType, str]:
    """Return LoadGen's module and version from the `site` folder of its own environment, behind this one's packages.

    It is one extension module that needs no other package, so that it goes with every backend's environment.
    """
    if str(site) not in sys.path:
        sys.path.append(str(site))
    return importlib.import_module("mlperf_loadgen"), importlib.metadata.version(DISTRIBUTION)


def results(detail: str) -> dict[str, Any]:
    """Return what the detailed log says of the results: name -> number, yes or no, or text."""
    marked = (line.removeprefix(":::MLLOG ") for line in detail.splitlines() if line.startswith(":::MLLOG "))
    entries = [json.loads(line) for line in marked]
    wanted = ("result_", "early_stopping_", "num_errors")
    return {entry["key"]: entry["value"] for entry in entries if entry["key"].startswith(wanted)}


def trace(text: str) -> list[tuple[int, int, int]]:
    """Return (scheduled, latency, sample) of each query, in nanoseconds, in the order in which they were due.

    The trace as a whole is no valid JSON, but each of its events is, on a line of its own.
    """
    lines = (line.rstrip(",") for line in text.splitlines() if line.startswith('{"name":"Sample",'))
    events = [event for event in map(json.loads, lines) if event["ph"] == "b"]
    return sorted(
        (round(event["ts"] * 1000), event["args"]["complete_ns"], event["args"]["sample_idx"]) for event in events
    )


def search(
    probe: Callable[[float], bool], least: float, most: float, probes: int, go_on: Callable[[], bool]
) -> float | None:
    """Return the highest rate that `probe` has found valid, by bisection between 0 and `most`; None where none was.

    It ends after so many probes, when `go_on` says no, when the rate is known within 1 %, or below `least`. Near the
    limit validity is a matter of luck, so the result is a rate that was seen to be valid, and not the supremum of
    those.
    """
    low, high = 0.0, most
    for _ in itertools.repeat(None, probes):
        rate = (low + high) / 2
        if rate < least:
            break
        if probe(rate):
            low = rate
        else:
            high = rate
        if high - low <= 0.01 * high or not go_on():
            break
    return low or None


def _nothing(*anything: Any) -> None:
    """LoadGen's hooks for loading samples and flushing queries: ours are in memory, and never held back."""
