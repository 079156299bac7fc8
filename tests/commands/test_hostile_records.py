"""Records of a stranger: what a command prints, writes and draws of them, and that it ends in a status of its own."""

from __future__ import annotations

import copy
import csv
import io
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.__main__ import main
from harness.publish.common import texts
from harness.publish.table import run_table
from harness.results import store
from harness.results.records import record
from harness.text.terminal import Console
from tests.publish.sample_run import SampleRun
from tests.results.records import sample_records

RUN, OTHER = "20261124T091500Z-sample-0001", "20261124T091600Z-sample-0002"

#: A label, a message and a word that want to be obeyed: by a terminal, a spreadsheet, Markdown, rich or mathtext.
LABEL = "$a_{$\x1b[31m[red]"
MESSAGE = "=1+1\x1b]0;title\x07\nall is well\u202e<b>|`"


def sample() -> SampleRun:
    """Return a run with a tuned cell and every kind of record, two of its texts hostile."""
    run = SampleRun()
    base = set(range(60))
    run.measured(run.cell("fp32"), base, [14.8, 15.3, 15.0, 15.1])
    run.measured(run.cell("ptq_dynamic", label=LABEL), base, [7.2, 7.5, 7.3, 7.2])
    tuned = run.cell("ptq_static", "fx", tuner="basic")
    run.measured(tuned, base, [7.0, 7.3, 7.25, 7.2])
    for index in range(2):
        line = sample_records.trial(index, latency_ns=(4.0 - index) * 1e6, message=MESSAGE)
        run.lines.append(line | {"cell": tuned["key"], "cell_digest": tuned["digest"]})
    failed = run.cell("qat", "fx")
    run.failure(failed, "quantize", "error", MESSAGE)
    run.exclude("fp32", "fx", MESSAGE)
    return run


def lines_of(run: SampleRun, name: str) -> list[record.Record]:
    header, *lines = run.records()
    return [header | {"run": name}, *lines, record.end("complete", {"invoked": 2}, 61.5)]


def write(root: Path, lines: Sequence[record.Record], name: str) -> Path:
    path = root / "runs" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of results with two hostile runs."""
    root = tmp_path_factory.mktemp("hostile") / "results"
    for name in (RUN, OTHER):
        write(root, lines_of(sample(), name), name)
    return root


COMMANDS = {
    "status": (["status"], 3),
    "table": (["table"], 0),
    "trend": (["trend"], 0),
    "compare": (["compare", RUN, OTHER, "--stored"], 3),
    "trials": (["trials", "basic"], 0),
}


@pytest.mark.parametrize(
    ("name", "width"),
    [("status", "60"), ("table", "60"), ("trend", "60"), ("compare", "60"), ("trials", "60"), ("trials", "400")],
)
def test_no_command_lets_a_record_steer_the_terminal(
    results: Path, name: str, width: str, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    words, status = COMMANDS[name]
    assert main([*words, "--results", str(results)]) == status
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        assert all(line.isprintable() for line in text.split("\n"))
    assert "all is well\n" not in captured.out


def test_tables_hold_no_formula_and_no_control_character(results: Path) -> None:
    assert main(["table", RUN, "--results", str(results)]) == 0
    tables = results / "tables"
    for kind in ("csv", "md"):
        text = (tables / f"{RUN}.{kind}").read_text()
        assert all(line.isprintable() for line in text.split("\n"))
        assert "\\x1b" in text
    with (tables / f"{RUN}.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    left_out = next(row for row in rows if row["status"] == "excluded")
    assert left_out["reason"].startswith("'=1+1\\x1b]0;title\\x07 all is well")
    for row in rows:
        for name, value in row.items():
            # A number may be negative; a text does not begin like a formula.
            assert not value.startswith(("=", "+", "@")) and (not value.startswith("-") or float(value) < 0), name
    assert any(row["difference"] == "0.0" for row in rows)
    # Markdown shows the marks of a label instead of obeying them.
    assert "\\<b>\\|\\`" in (tables / f"{RUN}.md").read_text()
    # A program that reads Parquet needs no apostrophe.
    reasons = pd.read_parquet(tables / f"{RUN}.parquet")["reason"].dropna()
    assert reasons.str.startswith("=1+1\\x1b]0;").any()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        *((f"{mark}x", f"'{mark}x") for mark in "=+-@"),
        ("\tx", "'\\tx"),
        ("\rx", "'\\rx"),
        ("a=b", "a=b"),
        ("a\nb", "a\\nb"),
        ("", ""),
        (-1.5, "-1.5"),
        (7, "7"),
        (None, ""),
    ],
)
def test_only_texts_are_made_safe_for_a_spreadsheet(value: Any, written: str) -> None:
    for kind in (object, *(["string"] if isinstance(value, str) else [])):
        frame = pd.DataFrame({"a": [value, None], "b": [-2.0, 1.0]}, dtype=object).astype({"a": kind, "b": float})
        stream = io.StringIO()
        texts.for_spreadsheets(frame).to_csv(stream, index=False)
        assert list(csv.reader(io.StringIO(stream.getvalue())))[1:] == [[written, "-2.0"], ["", "1.0"]]


def test_pictures_are_drawn_of_any_label(results: Path) -> None:
    for words, _ in (COMMANDS["table"], COMMANDS["trend"], COMMANDS["compare"], COMMANDS["trials"]):
        main([*words, "--results", str(results)])
    drawn = {path.name.split(".")[0] for path in (results / "tables").rglob("*.svg")}
    assert {OTHER, f"compare-{OTHER}-with-{RUN}"} <= drawn
    for path in (results / "tables").rglob("*.svg"):
        text = path.read_text()
        assert all(line.isprintable() for line in text.split("\n"))
    assert matplotlib.rcParams["text.parse_math"] is False


@pytest.mark.parametrize("words", [["status"], ["table"], ["trend", "--no-pictures"], ["trials", "basic"]], ids=str)
def test_a_foreign_file_is_told_once_and_no_more(tmp_path: Path, words: list[str], capsys) -> None:
    write(tmp_path, lines_of(sample(), RUN), RUN)
    (tmp_path / "runs" / "zzz\x1b[31m.jsonl").write_text('{"schema":1}\n')
    (tmp_path / "runs" / "zzzz.jsonl").write_bytes(b"")
    status = main([*words, "--results", str(tmp_path)])
    captured = capsys.readouterr()
    assert status == (3 if words == ["status"] else 0)
    told = [line for line in (captured.out + captured.err).splitlines() if line.startswith("passed over: ")]
    assert [line.count("zzzz.jsonl") for line in sorted(told)] == [0, 1]
    assert all(line.isprintable() for line in told)
    assert logging.getLogger("harness").handlers == []


def test_one_empty_config_does_not_stop_a_trend(tmp_path: Path, capsys) -> None:
    write(tmp_path, lines_of(sample(), RUN), RUN)
    header, *rest = json.loads(json.dumps(lines_of(sample(), OTHER)))
    header["options"][0]["config"] = {}
    write(tmp_path, [header, *rest], OTHER)
    assert main(["trend", "--no-pictures", "--results", str(tmp_path)]) == 0
    text = " ".join(capsys.readouterr().err.split())
    assert f"{OTHER}.jsonl, line 1: damaged: record header: options[0].config: no field name" in text


def test_a_run_cannot_choose_where_its_table_is_written(tmp_path: Path, capsys) -> None:
    (tmp_path / "README.md").write_text("mine")
    results = tmp_path / "results"
    for number, name in enumerate(["../../README", str(tmp_path / "README"), "x" * 300]):
        write(results, lines_of(sample(), name), f"run{number}")
        for words in (
            ["table", f"run{number}"],
            ["status", f"run{number}"],
            ["export", f"run{number}", "-o", "x.json"],
        ):
            assert main([*words, "--results", str(results)]) == 2
            assert "$.run: " in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"README.md", "results"}
    assert {path.name for path in results.iterdir()} == {"runs"}


@pytest.mark.parametrize("words", [["plan", "suite={0}"], ["plan", "suite={0}.yaml"], ["plan", "model={0}"],
                                   ["status", "{0}"], ["doctor", "--host", "{0}"], ["trials", "{0}"],
                                   ["compare", "{0}", "now"], ["compare", "now", "with:{0}==1"]], ids=str)  # fmt: skip
def test_a_name_too_long_for_a_file_is_one_clear_line(results: Path, words: list[str], capsys) -> None:
    assert main([*(word.format("x" * 300) for word in words), "--results", str(results)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("harness: ") and "x" * 20 in error and "too long" not in error


def test_long_labels_give_files_that_can_be(tmp_path: Path) -> None:
    run = SampleRun()
    run.measured(run.cell("fp32"), set(range(60)), [14.8, 15.3, 15.0, 15.1])
    run.measured(run.cell("ptq_static", "fx", label="m" * 300), set(range(60)), [7.0, 7.3, 7.25, 7.2])
    for name in (RUN, OTHER):
        write(tmp_path, lines_of(run, name), name)
    for words in (["table"], ["trend", "m" * 300], ["compare", RUN, OTHER, "--stored"]):
        main([*words, "--results", str(tmp_path)])
    names = [path.name for path in (tmp_path / "tables").rglob("*.*")]
    assert {f"{OTHER}.csv", f"compare-{OTHER}-with-{RUN}.csv"} <= set(names)
    assert any(name.startswith(f"latency.{'m' * 200}") and name.endswith(".csv") for name in names)
    assert max(map(len, names)) <= 255


# --- any change of a record


VALUES = [
    *(None, True, 0, -1, 1, 2.5, 1e30, "", "x", "../../x", "a" * 300, "\x00", "\ud800", "=1+1", "\x1b[31m", "a\nb"),
    *("\u202ex", "$a_{$", "größe", [], {}, ["x"], [0], [1, 2, 3], {"a": 1}, [[[]]], "2026-99-99T99:99:99.999Z"),
]

#: A number that JSON can write and Python reads as a big one, or as infinity.
NUMBERS = {"@huge": "1" + "0" * 400, "@infinite": "1e999"}

BASE = json.loads(json.dumps(lines_of(sample(), OTHER)))


def places(value: Any, at: tuple = ()) -> Iterator[tuple]:
    """Yield the path of everything in a record, of long lists only the first item."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for name, item in inner:
        yield (*at, name)
        yield from places(item, (*at, name))


PLACES = [(number, place) for number, line in enumerate(BASE) for place in places(line)]


@pytest.mark.slow
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(where=st.sampled_from(PLACES), value=st.sampled_from([*VALUES, *NUMBERS, "@gone", "@twice"]))
def test_no_change_of_a_record_ends_in_a_traceback(tmp_path: Path, where: tuple, value: Any, capsys) -> None:
    number, place = where
    lines = copy.deepcopy(BASE)
    parent = lines[number]
    for part in place[:-1]:
        parent = parent[part]
    if value == "@gone":
        del parent[place[-1]]
    elif value == "@twice" and isinstance(parent, list):
        parent.append(parent[place[-1]])
    else:
        parent[place[-1]] = value
    path = write(tmp_path, lines, OTHER)
    for word, digits in NUMBERS.items():
        path.write_text(path.read_text().replace(f'"{word}"', digits))
    write(tmp_path, BASE, RUN)
    for words in (["status"], ["compare", RUN, OTHER, "--stored"], ["trend", "--no-pictures"], ["trials", "basic"]):
        assert main([*words, "--results", str(tmp_path)]) in (0, 1, 2, 3, 4)
    captured = capsys.readouterr()
    assert all(line.isprintable() for line in (captured.out + captured.err).split("\n"))
    try:
        found = run_table.read(tmp_path, path)
    except Exception as error:
        assert type(error).__name__ == "UserError"
    else:
        found.show(Console(file=io.StringIO(), width=100))
        found.write(tmp_path / "tables")
    assert store.unfinished(tmp_path, BASE[0]) is None or path.exists()
