"""Steps of known histories: what stands beside them, what is said of them, and the tables and pictures of them."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.publish.trend import host_matrix, picture, render
from harness.publish.trend.accuracy import accuracy_trends
from harness.publish.trend.latency import (
    CANDIDATE,
    CONFIRMED,
    LATENCY,
    OUT_OF_REACH,
    REFUTED,
    THROUGHPUT,
    Candidate,
    Trend,
    marks,
    speed_trend,
)
from harness.results import aa, confirmations, store
from harness.results.confirmations import Confirmation
from harness.results.history import histories, machine_of
from tests.results.test_aa import entry
from tests.results.trend_runs import CELL, HERE, Day, lock_hash, save_host, write_days, write_run

#: Runs before and after the step.
BEFORE, AFTER = 14, 6


def stepped(factor: float = 1.06, **after: object) -> list[Day]:
    """Return days whose latency changes after :data:`BEFORE` runs, with what else changes there."""
    noise = np.exp(0.004 * np.random.default_rng(0).standard_normal(BEFORE + AFTER))
    late = [Day(factor=factor * value, **after) for value in noise[BEFORE:]]
    return [Day(factor=value) for value in noise[:BEFORE]] + late


def only(root: Path, metric: str = LATENCY, here: str | None = HERE) -> tuple[Trend, Candidate]:
    """Return the trend of the cell and the one step in it."""
    (history,) = histories(root, CELL)[0]
    one = speed_trend(root, history, metric, here)
    assert len(one.candidates) == 1
    return one, one.candidates[0]


@pytest.mark.parametrize(("metric", "factor", "verdict"), [
    (LATENCY, 1.06, "slower"), (LATENCY, 0.94, "faster"), (THROUGHPUT, 1.06, "slower"), (THROUGHPUT, 0.94, "faster"),
])  # fmt: skip
def test_a_step_is_told_with_its_size_place_and_cause(tmp_path: Path, metric: str, factor: float, verdict: str) -> None:
    write_days(tmp_path, stepped(factor, torch="2.14.0"))
    one, found = only(tmp_path, metric)
    assert (found.first, found.verdict, found.status) == (BEFORE, verdict, CANDIDATE)
    true = factor if metric == LATENCY else 1 / factor
    assert found.size.low < true < found.size.high
    assert found.after / found.before == pytest.approx(true, rel=0.01)
    assert [difference.line for difference in found.differences] == ["torch: torch 2.13.0 -> 2.14.0"]
    assert found.control == 1.0
    (row,) = render.rows([one]).to_dict("records")
    assert row["first_run"] == one.points[BEFORE].run
    assert row["change"] == pytest.approx(true - 1, abs=0.01)
    assert row["unit"] == ("ms" if metric == LATENCY else "rows/s")


def test_a_step_below_the_host_s_floor_is_counted_and_not_told(tmp_path: Path) -> None:
    write_days(tmp_path, stepped(1.06, torch="2.14.0"))
    (history,) = histories(tmp_path, CELL)[0]
    for floor, told in ((0.02, 1), (0.1, 0)):
        aa.append(tmp_path, entry(floor=floor, host=HERE))
        one = speed_trend(tmp_path, history, LATENCY, HERE)
        assert (len(one.candidates), one.below_floor, one.floor) == (told, 1 - told, floor)
    assert any("1 smaller than the host's floor of 10.0%" in line for line in render.summary([one]))


@pytest.mark.slow
@pytest.mark.parametrize(("after", "here", "reason"), [
    ({"torch": "2.14.0"}, "e" * 12, f"it was on host {HERE}, and this is {'e' * 12}"),
    ({"host": "b" * 12}, HERE, f"host {HERE} and {'b' * 12} cannot be brought back"),
    ({}, HERE, "nothing recorded differs between its sides"),
    ({"revision": "1" * 40, "dirty": True}, HERE, "was made with code of no git revision"),
    ({"revision": None, "dirty": None}, HERE, "was made with code of no git revision"),
])  # fmt: skip
def test_what_cannot_be_brought_back_is_said(tmp_path: Path, after: dict, here: str, reason: str) -> None:
    save_host(tmp_path, HERE, microcode="0x1")
    save_host(tmp_path, "b" * 12, microcode="0x2")
    write_days(tmp_path, stepped(1.06, **after))
    found = only(tmp_path, here=here)[1]
    assert found.status == OUT_OF_REACH
    assert reason in found.because


def test_a_clean_revision_and_a_stored_lock_can_be_brought_back_and_a_lost_one_not(tmp_path: Path) -> None:
    write_days(tmp_path, stepped(1.06, torch="2.14.0", revision="1" * 40))
    found = only(tmp_path)[1]
    assert found.status == CANDIDATE
    assert [difference.kind for difference in found.differences] == ["environment", "harness"]
    (tmp_path / "environments" / f"torch-{lock_hash('2.13.0')}.txt").unlink()
    found = only(tmp_path)[1]
    assert found.status == OUT_OF_REACH
    assert f"torch-{lock_hash('2.13.0')}.txt is not there" in found.because


@pytest.mark.parametrize(("verdict", "ratio", "status"), [
    ("slower", 1.06, CONFIRMED), ("faster", 0.94, REFUTED), ("equivalent", 1.0, REFUTED),
    ("inconclusive", None, REFUTED),
])  # fmt: skip
def test_a_confirmation_decides(tmp_path: Path, verdict: str, ratio: float | None, status: str) -> None:
    runs = write_days(tmp_path, stepped(1.06, torch="2.14.0"))
    ends = {"ratio": ratio, "low": ratio and ratio - 0.01, "high": ratio and ratio + 0.01}
    answer = Confirmation(
        **{"time": "2026-06-01T00:00:00Z", "cell": CELL, "metric": LATENCY, "before": runs[BEFORE - 1]},
        **{"after": runs[BEFORE], "runs": (), "pairs": 12, "verdict": verdict, "because": "reason", **ends},
    )
    machine = machine_of(tmp_path, HERE)
    # One of another cell, metric or place says nothing about this step.
    for other in (
        {"cell": "x"},
        {"metric": THROUGHPUT},
        {"after": runs[BEFORE - 1], "before": runs[0]},
        {"after": "gone"},
    ):
        confirmations.append(tmp_path, machine, dataclasses.replace(answer, **other))
    assert only(tmp_path)[1].status == CANDIDATE
    confirmations.append(tmp_path, machine, answer)
    found = only(tmp_path)[1]
    assert found.status == status
    assert found.because.startswith(verdict) and "12 pairs of 2026-06-01" in found.because


def test_what_changed_between_runs_is_marked_where_it_did(tmp_path: Path) -> None:
    save_host(tmp_path, HERE, microcode="0x1")
    save_host(tmp_path, "b" * 12, microcode="0x2")
    days = [Day(), Day(torch="2.14.0"), Day(torch="2.14.0"), Day(torch="2.14.0", revision="1" * 40, host="b" * 12)]
    write_days(tmp_path, days)
    (history,) = histories(tmp_path, CELL)[0]
    found = {place: [each.line for each in differences]
             for place, differences in marks(speed_trend(tmp_path, history, LATENCY, HERE), tmp_path)}  # fmt: skip
    assert found == {
        1: ["torch: torch 2.13.0 -> 2.14.0"],
        3: ["harness 0000000 -> 1111111", f"host {HERE} -> {'b' * 12}: microcode 0x1 -> 0x2"],
    }


def test_a_changed_config_is_named_by_its_field(tmp_path: Path) -> None:
    names = write_days(tmp_path, [Day(), Day()])
    path = tmp_path / "runs" / f"{names[1]}.jsonl"
    path.write_text(path.read_text().replace('"samples":100', '"samples":50'))
    (history,) = histories(tmp_path, CELL)[0]
    ((place, (difference,)),) = marks(speed_trend(tmp_path, history, LATENCY, None), tmp_path)
    assert (place, difference.kind, difference.line) == (1, "config", "approach.calibration.samples 100 -> 50")


def accuracy_steps(root: Path) -> list[Candidate]:
    (one,) = accuracy_trends(root, histories(root, CELL)[0])
    return list(one.candidates)


def test_equal_bits_are_no_step_and_other_bits_of_one_artefact_are_said_to_be(tmp_path: Path) -> None:
    write_days(tmp_path, [Day(), Day(), Day(logits="b"), Day(logits="b")])
    (found,) = accuracy_steps(tmp_path)
    assert (found.first, found.status, found.verdict) == (2, REFUTED, "")
    assert found.because == "same artefact, different bits, 0 of 400 predictions differ, inconclusive"


@pytest.mark.parametrize(("more", "verdict"), [(range(60, 85), "worse"), (range(60, 62), "")])
def test_an_accuracy_step_is_confirmed_by_the_paired_test(tmp_path: Path, more: range, verdict: str) -> None:
    worse = Day(logits="b", wrong=frozenset([*range(60), *more]))
    write_days(tmp_path, [Day(), Day(), worse])
    (found,) = accuracy_steps(tmp_path)
    assert (found.verdict, found.status) == (verdict, CONFIRMED if verdict else REFUTED)
    assert found.size.estimate == pytest.approx(-len(more) / 400)
    assert f"{len(more)} of 400 predictions differ, -{len(more)} +0" in found.because


def test_evaluations_of_other_rows_cannot_be_held_against_each_other(tmp_path: Path) -> None:
    names = write_days(tmp_path, [Day(), Day(logits="b")])
    path = tmp_path / "runs" / f"{names[1]}.jsonl"
    path.write_text(path.read_text().replace('"tokenised":"tok"', '"tokenised":"other"'))
    (found,) = accuracy_steps(tmp_path)
    assert found.status == OUT_OF_REACH and "cannot be paired" in found.because


@pytest.mark.slow
def test_tables_and_pictures_are_the_same_when_they_are_made_again(tmp_path: Path) -> None:
    write_days(tmp_path, stepped(1.06, torch="2.14.0", logits="b"))
    found = histories(tmp_path, CELL)[0]
    speed = [speed_trend(tmp_path, one, LATENCY, HERE) for one in found]
    for metric, trends in {LATENCY: speed, "accuracy": accuracy_trends(tmp_path, found)}.items():
        made = []
        for place in ("one", "other"):
            paths = render.write(trends, tmp_path, tmp_path / place, metric)
            paths += picture.draw(trends[0], tmp_path, tmp_path / place)
            made.append({path.name: path.read_bytes() for path in paths})
        assert made[0] == made[1]
        assert sorted(name.rpartition(".")[2] for name in made[0]) == ["csv", "md", "png", "svg"]
        svg = next(content for name, content in made[0].items() if name.endswith("svg")).decode()
        assert "torch 2.13.0 -&gt; 2.14.0" in svg and CELL in svg
    assert "torch: torch 2.13.0 -> 2.14.0" in render.markdown(trends, tmp_path)
    csv = pd.read_csv(tmp_path / "one" / "latency.csv")
    assert list(csv.columns) == list(render.COLUMNS) and len(csv) == 1


def test_the_matrix_holds_each_host_s_newest_own_speed_up_and_accuracy(tmp_path: Path) -> None:
    save_host(tmp_path, HERE, generation="Ice Lake")
    save_host(tmp_path, "b" * 12, generation="Sapphire Rapids", model=143)
    write_days(
        tmp_path, [Day(), Day(factor=1.4), Day(factor=0.5, host="b" * 12, logits="b", wrong=frozenset(range(64)))]
    )
    found = host_matrix.matrix(tmp_path, histories(tmp_path)[0])
    assert found.columns == (f"Ice Lake {HERE}", f"Sapphire Rapids {'b' * 12}")
    row = CELL.replace("/native", "")
    old, new = (found.values[row, column] for column in found.columns)
    assert old["speedup"] == pytest.approx(15 / (7 * 1.4), rel=1e-3)
    assert new["speedup"] == pytest.approx(15 / 3.5, rel=1e-3)
    assert new["difference"] == pytest.approx(-4 / 400)
    assert (old["bits"], new["bits"]) == ("a", "b")
    assert host_matrix.sentences(found)[-1].startswith(
        "Of 2 cells with one artefact on several hosts, 1 gave other bits"
    )
    paths = host_matrix.write(found, tmp_path / "tables", "hosts")
    assert [path.name for path in paths] == ["hosts.csv", "hosts.md", "hosts.png", "hosts.svg"]
    assert "4.29x" in paths[1].read_text() and "-0.0100 b" in paths[1].read_text()
    assert len(pd.read_csv(paths[0])) == 4


def test_a_host_without_the_newest_recipe_is_marked_and_one_with_it_shows_that(tmp_path: Path) -> None:
    save_host(tmp_path, HERE, generation="Ice Lake")
    save_host(tmp_path, "b" * 12, generation="Sapphire Rapids", model=143)
    write_days(tmp_path, [Day(), Day(factor=1.4), Day(factor=0.5, host="b" * 12)])
    for path in store.runs(tmp_path):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        if lines[0]["run"].endswith("0001"):
            for option in lines[0]["options"]:
                if option["axis"] == "approach" and option["label"] == "ptq_static":
                    option["config"]["activation"]["observer"] = "histogram"
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    row, columns = CELL.replace("/native", ""), (f"Ice Lake {HERE}", f"Sapphire Rapids {'b' * 12}")
    found = host_matrix.matrix(tmp_path, histories(tmp_path)[0])
    assert [found.values[row, column]["recipe"] for column in columns] == ["", ""]
    assert found.values[row, columns[0]]["speedup"] == pytest.approx(15 / 7, rel=1e-3)

    next(path for path in store.runs(tmp_path) if path.stem.endswith("-0000")).unlink()
    found = host_matrix.matrix(tmp_path, histories(tmp_path)[0])
    assert found.values[row, columns[0]]["speedup"] == pytest.approx(15 / (7 * 1.4), rel=1e-3)
    assert found.values[row, columns[0]]["recipe"].startswith("approach.activation.observer histogram -> ")
    assert host_matrix.sentences(found)[0].startswith(f"* On {columns[0]}, {row}: another recipe")
    shown = host_matrix.markdown(found).replace("\\", "")
    assert re.search(r"\| 1\.53x \[[^]]*\] \* +\|", shown) and "On Ice Lake" in shown


def test_a_ceiling_is_a_column_of_its_own_and_is_called_one(tmp_path: Path) -> None:
    save_host(tmp_path, HERE, generation="Ice Lake")
    name = write_run(tmp_path, 0, Day())
    capped = write_run(tmp_path, 1, Day())
    path = tmp_path / "runs" / f"{capped}.jsonl"
    path.write_text(path.read_text().replace("/native/", "/avx2/").replace('"native"', '"avx2"'))
    found = host_matrix.matrix(tmp_path, histories(tmp_path)[0])
    assert name != capped
    assert found.columns == (f"Ice Lake {HERE}", f"Ice Lake, ceiling avx2 {HERE}")
    assert len(found.rows) == 2
    assert {value["ceiling"] for value in found.values.values()} == {"", "avx2"}
