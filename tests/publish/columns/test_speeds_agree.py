"""No row may contradict itself: the speed-up and the ratio of the two p50s beside it, in every committed run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from harness.publish.compare import comparison, records
from harness.publish.export import pytest_benchmark
from harness.publish.table.rows import rows
from harness.results import store
from harness.stats.decisions.changes import Rule
from tests.publish.sample_run import SampleRun

RUNS = sorted((Path(__file__).parents[3] / "results" / "runs").glob("*.jsonl"))


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_the_ratio_of_two_printed_p50s_is_the_printed_speed_up(path):
    frame = rows(store.read_run(path)).set_index("cell_key", drop=False)
    compared = frame[frame["speedup_pairs"].notna()]
    baseline = frame.loc[compared["baseline"], "p50_ms"].to_numpy()
    assert baseline / compared["p50_ms"].to_numpy() == pytest.approx(compared["speedup"].to_numpy(), rel=1e-8)
    several = frame[frame["speedup_pairs"] >= 2]
    for name in ("p50_ms", "throughput_per_s"):
        assert (several[f"{name}_low"] <= several[name]).all() and (several[name] <= several[f"{name}_high"]).all()
    tails = [frame[name].dropna() for name in ("p90_ms", "p99_ms")]
    assert all((tail >= frame.loc[tail.index, "p50_ms"]).all() for tail in tails)


def slow_minutes() -> SampleRun:
    """Return a run of a baseline in all of six blocks and of a cell of equal speed that was timed in the slow ones."""
    run = SampleRun()
    fp32, bf16 = run.cell("fp32"), run.cell("bf16")
    for block, host in enumerate([1.0, 1.01, 0.99, 1.0, 1.5, 1.48]):
        run.invocation(fp32, block, 20 * host)
        if block > 3:
            run.invocation(bf16, block, 20.1 * host)
    return run


def test_a_cell_that_was_timed_in_slow_minutes_is_not_slower_for_that():
    row = rows(slow_minutes().records()).set_index("approach").loc["bf16"]
    level = stats.gmean([20, 20.2, 19.8, 20, 30, 29.6])
    assert row["p50_ms"] == pytest.approx(level * 20.1 / 20, rel=1e-4)
    assert row["speedup"] == pytest.approx(20 / 20.1, rel=1e-4)


def test_the_export_has_the_levels_of_the_table_and_their_intervals():
    lines = slow_minutes().records()
    frame = rows(lines).set_index("cell_key")
    for one in pytest_benchmark.document(lines, None)["benchmarks"]:
        key, role = one["name"].partition("[")[0], one["params"]["series"]
        row, told = frame.loc[key], one["extra_info"]
        if role == "latency":
            names = [("p50_ms", f"p50_ms{end}") for end in ("", "_low", "_high")]
            assert stats.gmean(one["stats"]["data"]) * 1e3 == pytest.approx(row["p50_ms"])
        else:
            names = [("rows_per_second", f"throughput_per_s{end}") for end in ("", "_low", "_high")]
        for (name, column), end in zip(names, ("", "_low", "_high"), strict=True):
            assert told[name + end] == pytest.approx(row[column])


def test_a_cell_without_a_block_of_the_baseline_is_marked():
    run = slow_minutes()
    run.lines = [line for line in run.lines if not ("/fp32/" in line["cell"] and line["block"] > 3)]
    row = rows(run.records()).set_index("approach").loc["bf16"]
    assert np.isnan(row["speedup"]) and "its p50 and rows/s are not at the others' level" in row["reason"]


def _pairs() -> list[tuple[Path, Path]]:
    by_name = {path.stem: path for path in RUNS}
    found = []
    for path in RUNS:
        with path.open() as lines:
            compared = json.loads(next(lines)).get("comparison")
        if compared and compared["side"] == "A" and compared["other"] in by_name:
            found.append((path, by_name[compared["other"]]))
    return found


@pytest.mark.parametrize("pair", _pairs(), ids=lambda pair: pair[0].stem)
def test_the_ratio_of_two_compared_levels_is_the_printed_ratio(pair):
    compared = comparison.comparison(*map(records.read, pair), RUNS[0].parents[1], Rule())
    assert compared.mode == "interleaved"
    for role in comparison.ROLES:
        told = compared.rows[compared.rows[f"{role}_ratio"].notna()]
        assert len(told)
        ratio = told[f"a_{role}_ms"] / told[f"b_{role}_ms"]
        assert ratio.to_numpy() == pytest.approx(told[f"{role}_ratio"].to_numpy(), rel=1e-8)
        assert (told[f"b_{role}_ms_low"] <= told[f"b_{role}_ms"]).all()
