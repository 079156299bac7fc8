"""What a cell costs beside its latency is read off the records, per row, and is empty where nothing tells it."""

from __future__ import annotations

import dataclasses
import io

import pandas as pd
import pytest
from rich.console import Console

from harness.config.schema import HostConfig
from harness.publish.columns import costs
from harness.publish.common.heading import heading
from harness.publish.table import render
from harness.publish.table.rows import rows
from harness.results.records import record
from tests.publish.sample_run import MS, SampleRun

COUNTERS = {"energy_uj": 8_000_000, "instructions": 500_000_000, "cycles": 250_000_000, "cache_misses": 50_000}


def sampled(counters=None, price=None) -> SampleRun:
    run = SampleRun()
    cell = run.cell("fp32")
    stages = [{"stage": name, "artefact": "a", "seconds": seconds, "reused": True}
              for name, seconds in (("finetune", 90.0), ("quantize", 2.5))]  # fmt: skip
    run.prepared(cell)
    run.lines[-1]["stages"] = stages
    run.accuracy(cell, run.predictions({1}))
    for block, load in enumerate((0.5, 0.7, 0.6)):
        run.invocation(cell, block, 10.0, throughput_ms=40.0)
        line = run.lines[-1]
        line |= {"load_seconds": load, "process_seconds": 3.0 + block}
        line["control"] |= {"stream_bytes": 64 * 10**6, "stream_ns": [10 * MS]}
        line["system"]["after"] = {"frequency_khz": [3_000_000, 2_000_000]}
        for series in line["series"]:
            series["warmup_ns"] = [25 * MS, 11 * MS]
            if counters is not None:
                series |= {"counters": counters, "counted_passes": 50}
    if price is not None:
        for option in run.options.values():
            if option["axis"] == "host":
                option["config"] = dataclasses.asdict(HostConfig(name="native", price_per_hour=price))
    return run


def row(run: SampleRun) -> pd.Series:
    return rows(run.records()).iloc[0]


def test_times_are_medians_over_processes_and_the_clock_that_of_the_cores():
    found = row(sampled())
    assert (found["quantize_seconds"], found["load_seconds"], found["cpu_seconds"]) == (2.5, 0.6, 4.0)
    assert (found["first_ms"], found["clock_ghz"]) == (25.0, 2.5)


def test_counters_are_per_row_of_their_batch():
    found = row(sampled(COUNTERS))
    # 50 passes of 8 rows took 8 J; 50 passes of one row made 500 million instructions.
    assert found["energy_mj"] == pytest.approx(8000 / (50 * 8))
    assert (found["instructions"], found["cycles"]) == (1e7, 5e6)
    # 1,000 misses of 64 bytes in 10 ms are 6.4 MB a second, beside 6.4 GB that the control copied.
    assert found["memory_share"] == pytest.approx(1e-3, rel=0.01)


@pytest.mark.parametrize("counters", [None, dict.fromkeys(COUNTERS)])
def test_what_a_host_does_not_tell_is_no_column_and_no_zero(counters):
    frame = rows(sampled(counters).records())
    assert not set(costs.OPTIONAL_COLUMNS) & set(frame.columns)


def test_a_price_gives_the_cost_of_a_million_rows():
    found = row(sampled(price=3.6))
    # 200 rows a second: a million take 5,000 s.
    assert found["cost_per_million"] == pytest.approx(3.6 / 3600 * 1e6 / found["throughput_per_s"])
    assert found["cost_per_million"] == pytest.approx(5.0, rel=0.01)


def test_a_free_host_costs_nothing_and_an_unpriced_one_says_nothing():
    assert row(sampled(price=0.0))["cost_per_million"] == 0
    assert "cost_per_million" not in rows(sampled().records())


def test_a_person_reads_what_is_told_and_what_it_means(tmp_path):
    lines = sampled(COUNTERS, price=3.6).records()
    console = Console(file=io.StringIO(), width=500)
    render.show(rows(lines), heading(lines), console)
    shown, written = console.file.getvalue(), render.markdown(rows(lines), heading(lines))
    for text in (shown, written):
        for title in ("quantize s", "load s", "first ms", "CPU s", "GHz", "mJ/row", "cost/1e6"):
            assert title in text
    assert "host.price\\_per\\_hour" in written
    frame = pd.read_parquet(render.write(rows(lines), tmp_path, heading(lines))[2])
    assert frame["energy_mj"][0] == pytest.approx(20.0)


PEAK = {"cores": [0, 1], "threads": 2, "int8_per_second": 4e9, "size": 1024, "kernel": "x86 of torch 2"}
SHARE = {"int8_multiplications": 90, "multiplications": 100}


def int8(*, per_row=None, peak=PEAK, executed=SHARE, tokens: int | None = 128, real=False) -> pd.DataFrame:
    """An INT8 cell of 200 rows a second."""
    run = SampleRun()
    cell = run.cell("ptq_static")
    run.prepared(cell)
    run.lines[-1] |= {"per_row": per_row} if per_row else {}
    run.accuracy(cell, run.predictions({1}))
    run.lines[-1]["executed"] |= executed
    if peak:
        run.lines.append(record.peak(**peak))
    for block in range(3):
        run.invocation(cell, block, 10.0, throughput_ms=40.0)
        for series in run.lines[-1]["series"]:
            series |= {"sequence_length": tokens} | ({"tokens": [5]} if real else {})
    return rows(run.records())


def test_what_of_the_hosts_8_bit_peak_a_cell_reaches():
    # A row of 128 tokens: 1,000 + 128 x 50 + 128 x 128 = 23,784 multiplications, nine tenths of them in INT8.
    found = int8(per_row={"row": 1000, "token": 50, "token_pair": 1}).iloc[0]
    expected = 23_784 * 0.9 * found["throughput_per_s"] / 4e9
    assert found["int8_peak_share"] == pytest.approx(expected) and found["throughput_per_s"] == pytest.approx(200)


def test_an_image_has_no_tokens():
    found = int8(per_row={"row": 2_000_000, "token": 0, "token_pair": 0}, tokens=None).iloc[0]
    assert found["int8_peak_share"] == pytest.approx(2e6 * 0.9 * 200 / 4e9)


@pytest.mark.parametrize(
    "lacking",
    [
        {"per_row": None},
        {"peak": None},
        {"peak": {**PEAK, "cores": [0]}},
        {"executed": {}},
        {"executed": {"int8_multiplications": 0, "multiplications": 100}},
        {"real": True, "tokens": None},
    ],
)
def test_a_share_of_the_peak_stands_only_where_all_of_it_is_known(lacking):
    known = {"per_row": {"row": 1, "token": 1, "token_pair": 0}}
    assert "int8_peak_share" not in int8(**{**known, **lacking}).columns
