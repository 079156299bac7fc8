"""Trends follow the time over the baseline's: a drift of the host is no step, a step of one cell is its own."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from harness.publish.trend import render
from harness.publish.trend.latency import LATENCY, THROUGHPUT, Trend, speed_trend
from harness.results import store
from harness.results.history import histories
from tests.publish.sample_run import SampleRun
from tests.results.trend_runs import CELL, HERE, Day, lock_hash, lock_text, write_days

RUNS = 20
APPROACHES = ("fp32", "ptq_dynamic", "ptq_static", "qat", "bf16")


def write(root: Path, number: int, latencies_ms: Sequence[float]) -> None:
    """Write a run of one cell an approach, FP32 first, whose invocations spread by 1 %."""
    run = SampleRun()
    random = np.random.default_rng(number)
    for approach, latency in zip(APPROACHES, latencies_ms, strict=True):
        run.measured(run.cell(approach), set(range(60)), list(latency * np.exp(0.005 * random.standard_normal(4))))
    time = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
    header, *lines = run.records()
    header |= {"run": f"{time:%Y%m%dT%H%M%SZ}-sample-{number:04x}", "host": HERE}
    header |= {"time": f"{time:%Y-%m-%dT%H:%M:%S}.000Z", "environments": {"torch": lock_hash("2.13.0")}}
    store.save_environment(root, "torch", lock_hash("2.13.0"), lock_text("2.13.0"))
    with store.RunWriter.create(root, header) as writer:
        for line in lines:
            writer.append(line)


def trends(root: Path, metric: str = LATENCY) -> dict[str, Trend]:
    """Return approach -> trend."""
    return {one.labels[2]: speed_trend(root, one, metric, HERE) for one in histories(root)[0]}


@pytest.mark.parametrize("metric", [LATENCY, THROUGHPUT])
def test_a_host_that_becomes_slower_makes_no_step(tmp_path: Path, metric: str) -> None:
    for number in range(RUNS):
        host = 1.3 if number >= 8 else 1.0
        write(tmp_path, number, [host * level for level in (15.0, 7.0, 8.0, 9.0, 10.0)])
    found = trends(tmp_path, metric)
    assert {approach: len(one.candidates) for approach, one in found.items()} == dict.fromkeys(APPROACHES, 0)
    # The raw levels, which are shown, hold it.
    levels = [one.value for one in found["qat"].levels]
    assert max(levels) > 1.2 * min(levels)


def test_a_cell_that_becomes_slower_while_the_host_wanders_is_the_only_one_found(tmp_path: Path) -> None:
    host = np.exp(0.1 * np.random.default_rng(0).standard_normal(RUNS))
    for number in range(RUNS):
        slower = 1.06 if number >= 12 else 1.0
        write(tmp_path, number, [host[number] * level for level in (15.0, 7.0, 8.0 * slower, 9.0, 10.0)])
    found = trends(tmp_path)
    assert [approach for approach, one in found.items() if one.candidates] == ["ptq_static"]
    (step,) = found["ptq_static"].candidates
    assert (step.first, step.verdict) == (12, "slower") and step.size.low < 1.06 < step.size.high


@pytest.mark.slow
def test_a_baseline_that_becomes_slower_is_found_as_such_and_named_at_the_others(tmp_path: Path) -> None:
    for number in range(RUNS):
        slower = 1.1 if number >= 12 else 1.0
        write(tmp_path, number, [15.0 * slower, 7.0, 8.0, 9.0, 10.0])
    found = trends(tmp_path)
    (own,) = found["fp32"].candidates
    assert (own.first, own.verdict) == (12, "slower")
    (other,) = found["ptq_static"].candidates
    assert other.verdict == "faster" and "its baseline changed more (+" in other.because


@pytest.mark.slow
def test_what_could_have_been_found_is_said(tmp_path: Path) -> None:
    for number in range(RUNS):
        write(tmp_path, number, [15.0, 7.0, 8.0, 9.0, 10.0])
    lines = render.summary(list(trends(tmp_path).values()))
    assert any("A step of 5% would be found within 5 runs, in four of five cases, in 5 of 5" in line for line in lines)


def test_copies_of_a_run_under_other_names_count_once(tmp_path: Path) -> None:
    runs = write_days(tmp_path, [Day(), Day(factor=1.1)])
    folder = tmp_path / "runs"
    for copy in ("20270101T000000Z-sample-ffff", "20270102T000000Z-sample-ffff"):
        text = (folder / f"{runs[1]}.jsonl").read_text()
        (folder / f"{copy}.jsonl").write_text(text.replace(runs[1], copy, 1))
    shutil.copy(folder / f"{runs[0]}.jsonl", tmp_path / "kept.jsonl")
    (one,) = histories(tmp_path, CELL)[0]
    assert [point.run for point in one.points] == runs


def relabelled(root: Path, name: str, old: str, new: str) -> None:
    """Rename an option of a stored run: its label and the keys change, its config and the digests do not."""
    path = root / "runs" / f"{name}.jsonl"
    text = path.read_text()
    for part in (f"/{old}/", f'"label":"{old}"', f'"{old}","fx"'):
        text = text.replace(part, part.replace(old, new))
    path.write_text(text)


def test_a_renamed_option_with_an_equal_digest_stays_one_history(tmp_path: Path) -> None:
    runs = write_days(tmp_path, [Day(), Day(), Day()])
    relabelled(tmp_path, runs[2], "ptq_static", "static")
    renamed = CELL.replace("ptq_static", "static")
    for wanted in (CELL, renamed, "sentiment/static", "sentiment/ptq_static"):
        (one,) = histories(tmp_path, wanted)[0]
        assert (one.key, one.former, one.labels[2]) == (renamed, (CELL,), "static")
        assert [point.run for point in one.points] == runs


def test_two_cells_of_one_run_are_never_one_history(tmp_path: Path) -> None:
    write(tmp_path, 0, [15.0, 7.0, 8.0, 9.0, 10.0])
    assert len(histories(tmp_path)[0]) == len(APPROACHES)
