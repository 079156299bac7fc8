"""What a table says of scenarios, against records whose figures are known."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from rich.console import Console

from harness.publish.columns import scenarios
from harness.publish.common.heading import heading
from harness.publish.table import render
from harness.publish.table.rows import COLUMNS
from harness.publish.table.rows import rows as rows_of
from harness.results.records import record
from harness.stats.timings.queueing import highest_rate
from tests.publish.sample_run import SampleRun
from tests.results.records import sample_records


def _single_stream(block: int, p50: int, bound: int | None) -> record.Record:
    shares = ((0.5, p50, p50), (0.9, 20, 25), (0.95, 30, 35), (0.99, 40, bound))
    percentiles = [
        {"percentile": share, "latency_ns": ms * 10**6, "bound_ns": None if most is None else most * 10**6}
        for share, ms, most in shares
    ]
    return sample_records.scenario("single_stream", block=block, percentiles=percentiles)


def _server(block: int, rate: float | None) -> record.Record:
    return sample_records.scenario(
        "server", block=block, valid=rate is not None, per_second=rate, percentile=0.9, limit_ns=100_000_000
    )


def _offline(block: int, rates: dict[tuple[int, int], float]) -> record.Record:
    sample = sample_records.scenario("offline")["layouts"][0]
    layouts = [
        {**sample, "instances": instances, "cores_per_instance": cores, "per_second": rate}
        for (instances, cores), rate in rates.items()
    ]
    return sample_records.scenario("offline", block=block, layouts=layouts)


def test_geometric_means_over_processes_and_the_largest_bound():
    row = scenarios.columns([_single_stream(block, p50, 50 + block) for block, p50 in enumerate((10, 14, 11))], 0.95)
    assert (row["single_stream_p50_ms"], row["single_stream_p99_ms"]) == pytest.approx((1540 ** (1 / 3), 40))
    assert row["single_stream_p50_ms_low"] < row["single_stream_p50_ms"] < row["single_stream_p50_ms_high"]
    assert row["single_stream_queries"] == 2
    assert row["single_stream_p99_bound_ms"] == 52
    assert row["scenario_blocks"] == 3


def test_a_percentile_that_one_process_had_too_few_queries_for_is_empty():
    row = scenarios.columns([_single_stream(0, 10, 50), _single_stream(1, 10, None)], 0.95)
    assert "single_stream_p99_bound_ms" not in row and "single_stream_p99_ms" not in row
    assert row["single_stream_p95_bound_ms"] == 35 and row["single_stream_p95_ms"] == pytest.approx(30)


def test_a_server_has_a_rate_only_where_each_process_found_one():
    row = scenarios.columns([_server(block, rate) for block, rate in enumerate((30.0, 28.0, 32.0))], 0.95, False)
    assert row["server_valid"] and row["server_per_s"] == pytest.approx((30 * 28 * 32) ** (1 / 3))
    assert row["server_per_s_low"] < 30.0 < row["server_per_s_high"]
    assert (row["server_percentile"], row["server_limit_ms"]) == (0.9, 100.0)
    row = scenarios.columns([_server(0, 30.0), _server(1, None)], 0.95)
    assert row["server_valid"] is False and "server_per_s" not in row


def test_the_servers_rate_is_that_of_the_long_run_and_not_the_highest_that_loadgen_called_valid():
    # 64 queries of a model that takes 30 ms: LoadGen let one of them be late, so it called a lower rate valid.
    due = [block * 200_000_000 for block in range(64)]
    records = []
    for block, service in enumerate((29_000_000, 30_000_000, 31_000_000)):
        probe = {**sample_records.scenario()["probes"][0], "scheduled_ns": due, "latency_ns": [service] * 64}
        records.append({**_server(block, 16.0), "probes": [probe]})
    row = scenarios.columns(records, 0.95)
    # M/D/1 with a wait of 70 ms allowed: 1 - 0.9 of the queries wait longer at this rate.
    assert row["server_per_s"] == pytest.approx(highest_rate([30_000_000], 0.9, 100_000_000), rel=0.01)
    assert row["server_per_s"] > 20
    assert row["server_per_s_low"] < row["server_per_s"] < row["server_per_s_high"]
    assert scenarios.columns(records, 0.95, searched=False)["server_per_s"] == pytest.approx(16.0)


def test_the_best_layout_is_best_in_the_median_and_not_by_one_lucky_block():
    blocks = [{(1, 2): 50.0, (2, 1): 60.0}, {(1, 2): 90.0, (2, 1): 61.0}, {(1, 2): 51.0, (2, 1): 62.0}]
    row = scenarios.columns([_offline(block, rates) for block, rates in enumerate(blocks)], 0.95)
    assert (row["offline_instances"], row["offline_cores_per_instance"]) == (2, 1)
    assert row["offline_per_s"] == pytest.approx((60 * 61 * 62) ** (1 / 3))
    # What only one sweep reached is not known well enough to be the best.
    row = scenarios.columns([_offline(0, {(1, 2): 50.0, (4, 1): 99.0}), _offline(1, {(1, 2): 52.0})], 0.95)
    assert (row["offline_instances"], row["offline_per_s"]) == (1, pytest.approx((50 * 52) ** 0.5))


@pytest.fixture
def run() -> SampleRun:
    """Return a run of two cells, of which one has a single invocation and no scenario."""
    sample = SampleRun()
    for approach in ("fp32", "ptq_dynamic"):
        cell = sample.cell(approach)
        sample.prepared(cell)
        sample.accuracy(cell, sample.predictions(set()))
        for block in range(4):
            sample.invocation(cell, block, 10.0)
    return sample


def _of(sample: SampleRun, line: record.Record) -> record.Record:
    cell = sample.cells[0]
    return {**line, "cell": cell["key"], "cell_digest": cell["digest"]}


def _shown(lines: list[record.Record], width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    render.show(rows_of(lines), heading(lines), console)
    return console.file.getvalue()


def test_a_run_without_scenarios_has_no_such_columns(run):
    lines = run.records()
    assert list(rows_of(lines).columns) == list(COLUMNS)
    assert "offline" not in _shown(lines, 250)


@pytest.mark.parametrize("width", [250, 150, 80])
def test_a_run_with_scenarios_shows_and_writes_them(run, width, tmp_path):
    measured = [_single_stream(0, 10, 50), _server(0, None), _offline(0, {(2, 1): 60.0})]
    lines = [*run.records(), *(_of(run, line) for line in measured)]
    text = _shown(lines, width)
    assert "none" in text and "60.0 (2x1)" in text
    assert ("10.0/20.0/40.0" in text) == (width > 80)
    assert "q/s p90<=100ms" in text
    csv, _, parquet = render.write(rows_of(lines), tmp_path, heading(lines))
    for frame in (pd.read_csv(csv), pd.read_parquet(parquet)):
        assert list(frame.columns) == [*COLUMNS, *scenarios.COLUMNS]
        assert frame["offline_per_s"].tolist()[0] == 60.0 and frame["offline_per_s"].isna().tolist() == [False, True]


def test_a_scenario_that_failed_is_a_note_and_what_was_measured_stands(run):
    cell = run.cells[0]
    failed = record.failure(
        cell=cell["key"],
        cell_digest=cell["digest"],
        stage="scenario",
        kind="timeout",
        message="no result within 5 s",
        block=0,
        log_tail="",
        scenario="server",
    )
    row = rows_of([*run.records(), failed]).iloc[0]
    assert row["status"] == "ok"
    assert row["reason"] == "server in block 1 failed(timeout): no result within 5 s"
