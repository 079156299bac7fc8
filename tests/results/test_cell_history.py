"""Histories read out of whole runs: which runs stand in them, in which order, and with what."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.results import store
from harness.results.history import histories, machine_of
from tests.results.trend_runs import BASELINE, CELL, HERE, Day, lock_hash, save_host, write_days, write_run

COMMITTED = Path(__file__).resolve().parents[2] / "results"


def test_a_cell_s_runs_come_in_the_order_of_time_with_what_they_were_made_with(tmp_path: Path) -> None:
    runs = write_days(tmp_path, [Day(), Day(factor=1.5, torch="2.14.0", revision="1" * 40), Day(logits="b")])
    found, unread = histories(tmp_path)
    assert unread == []
    assert [history.key for history in found] == [BASELINE, CELL]
    one = found[1]
    assert [point.run for point in one.points] == runs
    assert [point.locks for point in one.points] == [{"torch": lock_hash(v)} for v in ("2.13.0", "2.14.0", "2.13.0")]
    assert one.points[1].harness["revision"] == "1" * 40
    assert statistics.median(one.points[1].latency_ns) == pytest.approx(1.5 * 7e6, rel=0.01)
    assert len(one.points[1].latency_ns) == 4
    # The throughput series has 8 rows and takes six times as long.
    assert one.points[0].rows_per_second[1] == pytest.approx(8 / (6 * one.points[0].latency_ns[1] * 1e-9), rel=0.01)
    assert one.points[0].evaluation.logits_sha256 != one.points[2].evaluation.logits_sha256
    assert one.points[0].evaluation.value == pytest.approx(1 - 60 / 400)
    assert len(one.points[0].evaluation.references) == 400


def test_only_the_wanted_cells_are_returned(tmp_path: Path) -> None:
    write_days(tmp_path, [Day(), Day()])
    assert [history.key for history in histories(tmp_path, "sentiment/ptq_static")[0]] == [CELL]
    assert [history.key for history in histories(tmp_path, BASELINE)[0]] == [BASELINE]
    with pytest.raises(UserError, match=r"a cell 'minilm/.*': 'ptq_statik'; did you mean 'ptq_static'"):
        histories(tmp_path, CELL.replace("ptq_static", "ptq_statik"))
    with pytest.raises(UserError, match="no one cell has these labels in this order"):
        histories(tmp_path, "ptq_static/eager")


def test_without_a_run_there_is_no_history(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run is there yet"):
        histories(tmp_path)


@pytest.mark.parametrize(
    "extra",
    [
        {"comparison": {"id": "c", "side": "A", "label": "now", "other": "20260101T000000Z-sample-ffff"}},
        {"rerun_of": {"run": "20260101T000000Z-sample-ffff", "cell_digest": "d"}},
    ],
)
def test_runs_that_bring_back_another_day_s_state_are_no_part(tmp_path: Path, extra: dict) -> None:
    runs = write_days(tmp_path, [Day(), Day(factor=2.0, extra=extra), Day()])
    (one,) = histories(tmp_path, CELL)[0]
    assert [point.run for point in one.points] == [runs[0], runs[2]]


def test_a_damaged_run_is_told_and_passed_over(tmp_path: Path) -> None:
    runs = write_days(tmp_path, [Day(), Day(), Day()])
    path = tmp_path / "runs" / f"{runs[1]}.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"type":"accuracy"', b'"type":"rubbish"', 1))
    found, unread = histories(tmp_path, CELL)
    assert len(found[0].points) == 2
    assert len(unread) == 1 and runs[1] in unread[0]


def test_a_run_that_is_not_over_counts_with_what_it_has(tmp_path: Path) -> None:
    name = write_run(tmp_path, 0, Day())
    path = tmp_path / "runs" / f"{name}.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b'"type":"invocation"' not in line)[:-20])
    found, _ = histories(tmp_path)
    assert [history.points[0].latency_ns for history in found] == [()]
    assert found[0].key == BASELINE


def test_new_microcode_goes_on_with_the_history_and_another_cpu_begins_one(tmp_path: Path) -> None:
    for fingerprint, facts in {
        HERE: {"microcode": "0x1"},
        "b" * 12: {"microcode": "0x2"},
        "c" * 12: {"model": 0xFE},
    }.items():
        save_host(tmp_path, fingerprint, **facts)
    write_days(tmp_path, [Day(), Day(host="b" * 12), Day(host="c" * 12), Day(host="d" * 12)])
    found, _ = histories(tmp_path, CELL)
    assert sorted(history.hosts for history in found) == [(HERE, "b" * 12), ("c" * 12,), ("d" * 12,)]
    assert machine_of(tmp_path, HERE) == machine_of(tmp_path, "b" * 12) != machine_of(tmp_path, "c" * 12)
    # Of a host that is not described nothing but its fingerprint is known.
    assert machine_of(tmp_path, "d" * 12) == "d" * 12


@pytest.mark.slow
def test_the_committed_runs_have_a_history_of_each_measured_cell() -> None:
    found, unread = histories(COMMITTED)
    assert unread == []
    measured = {
        (line["cell"], lines[0]["run"])
        for lines in map(store.read_run, store.runs(COMMITTED))
        if not {"comparison", "rerun_of"} & lines[0].keys()
        for line in lines
        if line["type"] in ("invocation", "accuracy")
    }
    assert {(history.key, point.run) for history in found for point in history.points} == measured
