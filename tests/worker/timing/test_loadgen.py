"""LoadGen drives a real, small model: what it logs, what we record, and what its scenarios promise, held together."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.execute.run.scenarios import site_packages
from harness.stats.timings.early_stopping import percentiles
from harness.worker.timing import loadgen
from tests.backend_env import environment_python

pytestmark = [pytest.mark.backend("loadgen"), pytest.mark.alone]

SEEDS = loadgen.Seeds(library=3, order=5, schedule=7)


class Product:
    """A product of matrices, with its own stopwatch."""

    def __init__(self) -> None:
        generator = np.random.default_rng(0)
        self.inputs = [generator.random((64, 64)) for _ in range(16)]
        self.taken_ns: list[int] = []

    def forward(self, matrix: np.ndarray) -> np.ndarray:
        start = time.perf_counter_ns()
        output = matrix @ matrix
        self.taken_ns.append(time.perf_counter_ns() - start)
        return output


@pytest.fixture
def drive(tmp_path: Path):
    """Return a function that puts a model under LoadGen."""
    module, version = loadgen.load(site_packages(environment_python("loadgen")))
    assert version == "6.0.17"

    def make(model: Product, seconds: float = 0.2, min_queries: int = 64) -> loadgen.Driver:
        return loadgen.Driver(module, model.forward, model.inputs, SEEDS, seconds, min_queries, tmp_path)

    return make


def test_a_single_streams_percentiles_and_bounds_are_those_that_loadgen_reports(drive):
    model = Product()
    made = drive(model, min_queries=700).single_stream(0.9, 1000)
    assert made.valid
    assert len(made.latency_ns) == made.said["result_query_count"] == len(model.taken_ns) >= 700
    found = {one.percentile: one for one in percentiles(made.latency_ns)}
    for percentile, one in found.items():
        assert one.latency_ns == made.said[f"result_{100 * percentile:.2f}_percentile_latency_ns"]
    assert found[0.9].bound_ns == made.said["early_stopping_latency_ss"]
    assert found[0.99].bound_ns == made.said["early_stopping_latency_ms"]
    # Its clock is around ours: no query took less than the forward pass within it.
    assert all(theirs >= ours for theirs, ours in zip(made.latency_ns, model.taken_ns, strict=True))
    # One after the other.
    ends = np.add(made.scheduled_ns, made.latency_ns)
    assert (np.diff(made.scheduled_ns) > 0).all() and (made.scheduled_ns[1:] >= ends[:-1]).all()
    assert set(made.samples) == set(range(16))


def test_a_server_is_sent_queries_as_a_poisson_process_of_the_wanted_rate(drive):
    model = Product()
    made = drive(model, seconds=1.0, min_queries=400).server(800.0, 0.9, 10**9)
    assert len(made.latency_ns) == len(model.taken_ns) == made.said["result_query_count"] >= 400
    gaps = np.diff(made.scheduled_ns) / 1e9
    assert stats.kstest(gaps, "expon", args=(0, 1 / 800)).pvalue > 0.05
    # And not as any other process of that rate.
    assert stats.kstest(gaps, "uniform", args=(0, 2 / 800)).pvalue < 1e-6
    lags = stats.spearmanr(gaps[:-1], gaps[1:])
    assert lags.pvalue > 0.05
    assert made.valid
    assert percentiles(made.latency_ns, (0.9,))[0].latency_ns == made.said["result_90.00_percentile_latency_ns"]


def test_the_same_seeds_send_the_same_queries_at_times_that_scale_with_the_rate(drive):
    slow, fast = (drive(Product(), seconds=0.1).server(rate, 0.9, 10**9) for rate in (400.0, 800.0))
    count = min(len(slow.samples), len(fast.samples))
    assert slow.samples[:count] == fast.samples[:count]
    np.testing.assert_allclose(slow.scheduled_ns[:count], np.multiply(fast.scheduled_ns[:count], 2), atol=2000)


def test_a_query_that_waits_behind_others_counts_from_when_it_was_due(drive):
    class Slow(Product):
        def forward(self, matrix: np.ndarray) -> None:
            time.sleep(0.01)

    # Four times what it can answer: the queue grows, and so do latencies.
    made = drive(Slow(), seconds=0.1, min_queries=40).server(400.0, 0.9, 50_000_000)
    assert not made.valid
    answered = np.add(made.scheduled_ns, made.latency_ns)
    assert (np.diff(answered) > 9_000_000).all()
    assert made.latency_ns[-1] > 200_000_000


def test_a_limit_that_nothing_can_keep_is_not_valid(drive):
    made = drive(Product()).server(200.0, 0.9, 1)
    assert not made.valid
    assert made.said["result_validity"] == "INVALID"


@pytest.mark.parametrize("scenario", ["single_stream", "server"])
def test_a_forward_pass_that_fails_ends_as_its_own_error(drive, scenario):
    class Broken(Product):
        def forward(self, matrix: np.ndarray) -> None:
            raise FloatingPointError("row 3")

    driver = drive(Broken(), seconds=0.05, min_queries=5)
    with pytest.raises(FloatingPointError, match="row 3"):
        driver.single_stream(0.9, 1000) if scenario == "single_stream" else driver.server(100.0, 0.9, 1)


@given(st.floats(0.001, 0.999), st.floats(0.1, 1e4), st.integers(1, 20))
def test_a_search_ends_at_the_highest_rate_that_is_valid(share, most, probes):
    limit, tried = share * most, []
    found = loadgen.search(lambda rate: tried.append(rate) or rate <= limit, 0.0, most, probes, lambda: True)
    assert len(tried) <= probes and max(tried) < most
    valid = [rate for rate in tried if rate <= limit]
    assert found == (max(valid) if valid else None)
    # What is left between it and the lowest rate that was not valid is as small as the probes allow.
    above = min((rate for rate in tried if rate > limit), default=most)
    low = found or 0.0
    assert low <= limit < above
    assert above - low <= max(0.01 * above, most / 2**probes) * (1 + 1e-9)


def test_a_search_without_a_valid_rate_or_without_time_has_no_more_than_it_found():
    assert loadgen.search(lambda rate: False, 0.0, 100.0, 6, lambda: True) is None
    tried = []
    assert loadgen.search(lambda rate: tried.append(rate) or True, 0.0, 100.0, 6, lambda: False) == 50.0
    assert tried == [50.0]
    tried = []
    assert loadgen.search(lambda rate: bool(tried.append(rate)), 20.0, 100.0, 6, lambda: True) is None
    assert tried == [50.0, 25.0]


def test_a_log_is_read_line_by_line_though_its_trace_is_no_json():
    event = '{"name":"Sample","cat":"default","ph":"%s","pid":1,"id":%d,"ts":%s%s},\n'
    arguments = ',"args":{"sample_seq":0,"query_seq":0,"sample_idx":%d,"issue_start_ns":5,"complete_ns":%d}'
    text = '{"traceEvents":[\n' + event % ("b", 1, "20.500", arguments % (4, 70)) + event % ("e", 1, "20.570", "")
    text += '{"name":"LogDetail","ph":"X","args":{"key":""x""}},\n' + event % ("b", 0, "10.001", arguments % (2, 80))
    assert loadgen.trace(text) == [(10001, 80, 2), (20500, 70, 4)]
    detail = "".join(
        f':::MLLOG {{"key": "{key}", "value": {value}, "time_ms": 1}}\n'
        for key, value in (("result_validity", '"VALID"'), ("num_errors", 0), ("loaded_qsl_set", "[1]"))
    )
    assert loadgen.results("other words\n" + detail) == {"result_validity": "VALID", "num_errors": 0}
