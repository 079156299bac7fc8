"""A tuned cell's accuracy is of rows that its tuner did not decide on, or its row says that it is not."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from harness.publish.columns import held_out
from harness.publish.table.rows import rows
from tests.publish.sample_run import ROWS, SampleRun

SEEN = list(range(0, ROWS, 2))


def tuned(seen: list[int] | None, wrong: set[int], base: set[int]) -> pd.Series:
    """Return the row of a tuned cell: its tuner has decided on the rows `seen`, None for all."""
    run = SampleRun()
    run.measured(run.cell("fp32"), base, [15.0, 15.3, 15.1, 15.2])
    run.measured(run.cell("ptq_static", tuner="sensitivity"), wrong, [7.0, 7.1, 7.2, 7.3])
    lines = run.records()
    prepared = [line for line in lines if line["type"] == "prepared"][-1]
    told: dict[str, Any] = {"status": "ok", "chosen": 0, "reason": "met", "baseline": 0.9, "seen": seen}
    prepared["provenance"] = {"tuned": told | {"rows": ROWS if seen is None else len(seen)}}
    return rows(lines).iloc[1]


def test_the_accuracy_is_that_of_the_rows_left_over_on_both_sides() -> None:
    # Right on all even rows, which the tuner saw; wrong on ten odd ones, where FP32 is wrong on four.
    row = tuned(SEEN, wrong=set(range(1, 21, 2)), base={1, 3, 5, 7, 100, 102})
    assert (row["rows"], row["value"]) == (200, pytest.approx(0.95))
    assert row["difference"] == pytest.approx(-6 / 200)
    assert (row["broken"], row["fixed"]) == (6, 0)
    assert row["criterion_allowed"] == pytest.approx(0.01 * 196 / 200)
    assert row["reason"].endswith("accuracy on the 200 of 400 rows that its tuner did not decide on")


def test_what_a_tuner_chose_by_is_said_to_flatter() -> None:
    row = tuned(None, wrong=set(range(1, 21, 2)), base=set())
    assert (row["rows"], row["value"]) == (400, pytest.approx(0.975))
    assert row["reason"].endswith(held_out.FLATTERS)


def test_a_cell_without_a_tuner_says_nothing_of_it() -> None:
    run = SampleRun()
    run.measured(run.cell("fp32"), set(), [15.0, 15.3, 15.1, 15.2])
    assert rows(run.records())["reason"].isna().all()


def test_a_metric_that_cannot_be_made_of_a_part_stays_that_of_all_and_says_so() -> None:
    run = SampleRun(metric="bleu")
    cell = run.cell("ptq_static", tuner="sensitivity")
    run.measured(cell, set(), [7.0, 7.1, 7.2, 7.3])
    lines = run.records()
    prepared = next(line for line in lines if line["type"] == "prepared")
    prepared["provenance"] = {"tuned": {"seen": SEEN, "rows": len(SEEN)}}
    row = rows(lines).iloc[0]
    assert (row["rows"], row["value"]) == (ROWS, 1)
    assert held_out.FLATTERS in row["reason"]
