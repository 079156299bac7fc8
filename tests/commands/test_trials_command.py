"""``harness trials``: what it prints of stored trials, which trial a query names, and the picture."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from harness.__main__ import main
from harness.config.schema import AXES, QuantizerConfig
from harness.results import store
from harness.results.records import record
from harness.results.records.record import Record
from tests.results.records import sample_records

KEY = "minilm/sentiment/ptq_static/eager/sensitivity/native/quick"
BASELINE = 0.90

#: Accuracy's difference to FP32, latency in milliseconds, megabytes, and how many ops fall back.
TRIALS = ((-0.050, 10.0, 20.0, 0), (-0.008, 14.0, 30.0, 3), (-0.002, 18.0, 25.0, 6), (-0.009, 16.0, 40.0, 4))


def _trial(index: int, difference: float, latency: float, size: float, fallback: int, rows: int = 400) -> Record:
    metric = {
        **{"name": "accuracy", "value": BASELINE + difference, "baseline": BASELINE, "difference": difference},
        **{"difference_low": difference - 0.01, "difference_high": difference + 0.01, "allowed": 0.009},
        "state": "undecided",
    }
    quantizer = dataclasses.asdict(QuantizerConfig())
    return sample_records.trial(
        index,
        recipe={"method": "static", "activation": quantizer, "weight": quantizer},
        fallback=[f"layer.{number}" for number in range(fallback)],
        status="ok" if difference >= -0.009 else "inaccurate",
        metric=metric,
        rows=rows,
        latency_ns=latency * 1e6,
        size_bytes=int(size * 1e6),
    )


def store_trials(root: Path) -> Path:
    """Return a folder of results with one run: a cell with four trials and one that crashed, and one without any."""
    plain = KEY.replace("sensitivity", "none")
    named = dict.fromkeys(pair for key in (KEY, plain) for pair in zip(AXES, key.split("/"), strict=True))
    options = [
        {"digest": label, "axis": axis, "label": label, "config": dataclasses.asdict(AXES[axis](name=label))}
        for axis, label in named
    ]
    cells = [
        {"key": key, "digest": digest, "labels": key.split("/"), "options": key.split("/")}
        for key, digest in ((KEY, "d1"), (plain, "d2"))
    ]
    failed: dict[str, Any] = {"status": "failed", "kind": "crash", "message": "died", "metric": None, "rows": None}
    crashed = {**_trial(4, 0, 1, 1, 1), **failed, "latency_ns": None, "size_bytes": None}
    prepared = sample_records.prepared() | {"provenance": {"tuned": {"chosen": 1, "reason": "exhausted"}}}
    header = sample_records.header(options=options, cells=cells, excluded=[])
    with store.RunWriter.create(root, header) as writer:
        for line in [*(_trial(index, *values) for index, values in enumerate(TRIALS)), crashed, prepared]:
            record.check(line)
            writer.append(line | {"cell": KEY})
    return root


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return store_trials(tmp_path)


def _shown(results: Path, capsys, *arguments: str) -> str:
    assert main(["trials", *arguments, "--results", str(results)]) == 0
    return capsys.readouterr().out


def test_every_trial_is_a_row_and_the_chosen_one_is_marked(results, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    lines = _shown(results, capsys, KEY).splitlines()
    firsts = [
        line.split()[:2] for line in lines if line.strip() and line.strip()[0] in "*01234" and "accuracy" not in line
    ]
    assert firsts == [["0", "inaccurate"], ["*1", "ok"], ["2", "ok"], ["3", "ok"], ["4", "failed(crash)"]]
    assert "89.20" in lines[3] and "-0.80 [-1.80, +0.20]" in lines[3] and "3 fall back: layer.0" in lines[3]


@pytest.mark.parametrize(
    ("loss", "fastest", "smallest"),
    # By hand from TRIALS: 1 % of 0.90 is 0.009, which trials 1, 2 and 3 keep; 0.005 only trial 2; 0.1 all of them.
    [("1%", "trial 1,", "trial 2,"), ("0.005", "trial 2,", "trial 2,"), ("0.1", "trial 0,", "trial 0,")],
)
def test_queries_name_the_fastest_and_the_smallest_of_those_that_keep_the_loss(
    results, capsys, loss, fastest, smallest
):
    shown = _shown(results, capsys, "ptq_static/sensitivity", "--fastest-within", loss, "--smallest-within", loss)
    assert f"fastest within {loss}: {fastest}" in shown
    assert f"smallest within {loss}: {smallest}" in shown


def test_a_query_that_no_trial_meets_says_so(results, capsys):
    assert "fastest within 0.001: no trial" in _shown(results, capsys, KEY, "--fastest-within", "0.001")


def test_the_picture_is_the_same_each_time_and_shows_the_chosen_trial(results, capsys, tmp_path):
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    for path in (first, second):
        _shown(results, capsys, KEY, "--picture", str(path))
    text = first.read_text()
    assert first.read_bytes() == second.read_bytes()
    assert text.startswith("<?xml") and "trial 1" in text and "Pareto front" in text
    _shown(results, capsys, KEY, "--picture", str(tmp_path / "c.png"))
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert "tables/" in _shown(results, capsys, KEY)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([KEY.replace("static", "statc")], f"did you mean '{KEY}'"),
        (["nothing/like"], "no cell 'nothing/like' with trials"),
        ([KEY.replace("sensitivity", "none")], "it has no trials"),
        ([KEY, "--fastest-within", "much"], "'much': want a loss such as 0.005"),
        ([KEY, "--smallest-within=-1%"], "'-1%': want a loss"),
        ([KEY, "--picture", "x.bmp"], "want a name that ends in .svg or .png"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(results, capsys, arguments, words):
    assert main(["trials", *arguments, "--results", str(results)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert words in line


def test_on_a_narrow_terminal_recipes_stand_below_the_table_uncut(results, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = _shown(results, capsys, KEY)
    below = shown[shown.index("\n0: ") :]
    assert "3 fall back: layer.0" in below and "recipe" not in shown
    assert all(len(line) <= 80 for line in below.splitlines() if "written" not in line)
