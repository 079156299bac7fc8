"""``harness trend``: words, files, exit status; and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.__main__ import main
from harness.commands.trend_confirm import answered
from harness.publish.compare.comparison import comparison
from harness.publish.compare.records import read
from harness.publish.trend.latency import LATENCY, THROUGHPUT, speed_trend
from harness.results import store
from harness.results.history import histories
from harness.stats.decisions.changes import Rule
from tests.commands.test_compare_command import A, B, store_run
from tests.publish.trend.test_render import BEFORE, stepped
from tests.results.trend_runs import CELL, Day, write_days


def trend(root: Path, capsys, monkeypatch, *arguments: str) -> tuple[int, str]:
    monkeypatch.setenv("COLUMNS", "200")
    status = main(["trend", *arguments, "--results", str(root)])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return status, captured.out + captured.err


def test_a_step_is_shown_and_its_tables_and_pictures_are_written(tmp_path, capsys, monkeypatch):
    runs = write_days(tmp_path, stepped(1.06, torch="2.14.0"))
    status, shown = trend(tmp_path, capsys, monkeypatch)
    assert status == 0
    assert "latency: 2 histories on 1 host, 20 runs; steps: 1 cannot be confirmed." in shown
    assert "slower +" in shown and runs[BEFORE] in shown and "torch 2.13.0 -> 2.14.0" in shown
    assert "No floor is known" in shown
    names = {path.name for path in (tmp_path / "tables" / "trend").iterdir()}
    assert {"latency.csv", "latency.md"} <= names
    assert len([name for name in names if name.endswith(".png")]) == 2
    status, shown = trend(tmp_path, capsys, monkeypatch, "ptq_static", "--no-pictures", "--metric", "throughput")
    assert status == 0 and "throughput: 1 histories" in shown
    assert (tmp_path / "tables" / "trend" / "throughput.ptq_static.csv").is_file()


def test_an_accuracy_that_fell_is_shown_as_confirmed(tmp_path, capsys, monkeypatch):
    write_days(tmp_path, [Day(), Day(logits="b", wrong=frozenset(range(90)))])
    status, shown = trend(tmp_path, capsys, monkeypatch, "--metric", "accuracy", "--no-pictures")
    assert status == 0
    assert "1 confirmed" in shown and "worse -0.0750" in shown and "same artefact, different bits" in shown


def test_a_damaged_run_is_said_to_be_passed_over(tmp_path, capsys, monkeypatch):
    runs = write_days(tmp_path, [Day(), Day()])
    (tmp_path / "runs" / f"{runs[0]}.jsonl").write_text("rubbish\n")
    status, shown = trend(tmp_path, capsys, monkeypatch, "--no-pictures")
    assert status == 0 and f"passed over: {tmp_path}/runs/{runs[0]}.jsonl, line 1: damaged" in shown
    assert "have fewer than 7 runs" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pairs", "0"], "--pairs 0: want from 2"),
        (["--margin", "nan"], "--margin nan: want a share"),
        (["--margin=-1"], "--margin -1: want a share"),
        (["--margin", "1e9"], "--margin 1e+09: want a share"),
        (["nothing_like_it"], "no run has evaluated or measured a cell 'nothing_like_it'"),
        (["--metric", "speed"], "invalid choice: 'speed'"),
        (["--confirm", "--pairs", "3"], "--pairs 3: want 8 or more"),
        (["--confirm", "--margin", "2"], "--margin 2: want a share between 0 and 1"),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path, capsys, monkeypatch, arguments, message):
    write_days(tmp_path, [Day(), Day()])
    status, shown = trend(tmp_path, capsys, monkeypatch, *arguments)
    assert status == 2 and message in shown and len(shown.strip().splitlines()) == 1


def test_no_run_is_one_clear_line(tmp_path, capsys, monkeypatch):
    status, shown = trend(tmp_path, capsys, monkeypatch)
    assert status == 2 and "no run is there yet" in shown


@pytest.mark.parametrize(("factor", "verdict"), [(1.05, "slower"), (0.95, "faster"), (1.0, "equivalent")])
@pytest.mark.parametrize("metric", [LATENCY, THROUGHPUT])
def test_what_a_comparison_says_is_turned_into_times_and_rates_after_over_before(tmp_path, factor, verdict, metric):
    write_days(tmp_path, [Day(), Day()])
    store_run(tmp_path, A, other=B)
    store_run(tmp_path, B, other=A, int8=factor)
    (history,) = histories(tmp_path, CELL)[0]
    one = speed_trend(tmp_path, history, metric, None)
    files = [store.find_run(tmp_path, name) for name in (A, B)]
    compared = comparison(*map(read, files), tmp_path, Rule(margin=0.02, alpha=0.01))
    answer = answered(one, compared, "before", "after")
    assert answer.verdict == verdict and answer.runs == (A, B)
    true = factor if metric == LATENCY else 1 / factor
    assert answer.low < answer.ratio < answer.high
    assert answer.ratio == pytest.approx(true, abs=0.006)


def test_why_two_sides_cannot_be_compared_is_told_in_the_place_of_a_ratio(tmp_path):
    write_days(tmp_path, [Day(), Day()])
    for run, other in ((A, B), (B, A)):
        store_run(tmp_path, run, other=other)
    runs = [read(store.find_run(tmp_path, name)) for name in (A, B)]
    for line in (line for of_cell in runs[1].invocations.values() for line in of_cell.values()):
        line["threads"] = 1
    (history,) = histories(tmp_path, CELL)[0]
    compared = comparison(*runs, tmp_path, Rule())
    answer = answered(speed_trend(tmp_path, history, LATENCY, None), compared, "before", "after")
    assert answer.verdict == "inconclusive" and answer.ratio is None and answer.pairs == 0
    assert answer.because == "not comparable: threads 2 in A and 1 in B"
