"""What a table says of a tuning: its trials, what they cost, and what falls back in the chosen one."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from rich.console import Console

from harness.publish.columns import tunings
from harness.publish.common.heading import heading
from harness.publish.table import render
from harness.publish.table.rows import COLUMNS
from harness.publish.table.rows import rows as rows_of
from harness.results.records import record
from tests.publish.sample_run import ROWS, SampleRun

RECIPE = {"method": "static", "activation": {}, "weight": {}}


def _trial(cell: dict, index: int, rows: int | None, fallback: list[str]) -> record.Record:
    return record.trial(
        cell=cell["key"], cell_digest=cell["digest"], index=index, recipe=RECIPE, recipe_digest=f"{index}",
        fallback=fallback, status="failed" if rows is None else "ok", kind="error" if rows is None else None,
        message="", metric=None, rows=rows, latency_ns=None, size_bytes=None, seconds=1.0, reused=False,
    )  # fmt: skip


@pytest.fixture
def lines() -> list[record.Record]:
    """Return a run in which one of three cells was tuned, and a second one's tuning has not ended."""
    sample = SampleRun()
    for approach in ("fp32", "ptq_static"):
        cell = sample.cell(approach, tuner="sensitivity" if approach == "ptq_static" else "none")
        sample.measured(cell, set(), [10.0, 10.1, 10.2, 9.9])
    begun = sample.cell("ptq_dynamic", tuner="sensitivity")
    records = sample.records()
    prepared = next(line for line in records if line["type"] == "prepared" and line["cell"] == cell["key"])
    prepared["stages"] = [
        {"stage": "finetune", "artefact": "a" * 16, "seconds": 100.0, "reused": True},
        {"stage": "tune", "artefact": "b" * 16, "seconds": 42.4, "reused": False},
    ]
    prepared["provenance"] = {"tuned": {"status": "ok", "chosen": 2, "reason": "met", "baseline": 0.9}}
    trials = [_trial(cell, 0, ROWS, []), _trial(cell, 1, None, ["x"]), _trial(cell, 2, ROWS // 4, ["x", "y"])]
    return [*records, *trials, _trial(begun, 0, ROWS, [])]


def _shown(lines: list[record.Record], width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    render.show(rows_of(lines), heading(lines), console)
    return console.file.getvalue()


def test_a_tuned_cell_says_what_its_tuning_took(lines):
    first, tuned, begun = (row for _, row in rows_of(lines).iterrows())
    assert tuned[list(tunings.COLUMNS)].tolist() == [3, 2, 1.25, 42.4, 2, "met"]
    assert first[list(tunings.COLUMNS)].isna().all()
    assert begun["tuning_trials"] == 1 and pd.isna(begun["tuning_seconds"])


@pytest.mark.parametrize("width", [260, 150])
def test_a_table_shows_it(lines, width):
    text = _shown(lines, width)
    for words in ("trials", "evaluations", "1.2", "42", "fall back"):
        assert words in text, words


def test_a_run_without_a_tuner_has_no_such_columns(lines):
    without = [line for line in lines if line["type"] != "trial"]
    assert list(rows_of(without).columns) == list(COLUMNS)
    assert "trials" not in _shown(without, 260)


def test_files_hold_them_with_their_types(lines, tmp_path):
    csv, _, parquet = render.write(rows_of(lines), tmp_path, heading(lines))
    for frame in (pd.read_csv(csv), pd.read_parquet(parquet)):
        assert list(frame.columns) == [*COLUMNS, *tunings.COLUMNS]
    assert str(pd.read_parquet(parquet)["tuning_trials"].dtype) == "Int64"
