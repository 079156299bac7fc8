"""A row that claims INT8 says how much of the model ran in it, and is not taken for INT8 where that is little."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from rich.console import Console

from harness.config.schema import ProtocolConfig
from harness.publish.common.heading import heading
from harness.publish.table import render
from harness.publish.table.rows import rows
from harness.stats.decisions.verdict import cell_status
from tests.publish.sample_run import SampleRun


def covered(*shares: tuple[int, int] | None) -> SampleRun:
    """Return a run of fp32 and of one static cell a share: (INT8 multiplications, all), None where it is not told."""
    # A criterion that 400 rows decide.
    run = SampleRun(protocol=ProtocolConfig(name="quick", blocks=4, criterion=0.02))
    run.measured(run.cell("fp32"), set(), [15.0, 15.3, 15.1, 15.2])
    for number, share in enumerate(shares):
        cell = run.cell("ptq_static", f"backend{number}")
        run.measured(cell, set(), [7.0 + 0.1 * number, 7.3, 7.25, 7.2])
        if share is not None:
            names = ("int8_multiplications", "multiplications")
            run.lines[-5]["executed"] |= dict(zip(names, share, strict=True))
    return run


def shown(run: SampleRun) -> str:
    stream = io.StringIO()
    render.show(rows(run.records()), heading(run.records(), "Xeon"), Console(file=stream, width=260))
    return " ".join(stream.getvalue().split())


def test_less_than_half_in_int8_is_partial_and_is_not_ranked() -> None:
    # One small linear layer in INT8 beside large products that were left alone.
    run = covered((12_345, 1_000_000), (940_000, 1_000_000))
    frame = rows(run.records())
    assert frame["status"].tolist() == ["ok", "partial", "ok"]
    assert frame["reason"][1] == "claims int8, but only 1.2 % of its multiplications ran in INT8"
    assert frame["int8_share"].tolist()[1:] == [0.012345, 0.94]
    text = shown(run)
    assert "int8 %" in text and "94.0" in text and "partial: the cell claims INT8" in text
    fastest = text[text.index("Fastest") :]
    assert "backend1" in fastest and "backend0" not in fastest


def test_half_of_the_multiplications_is_enough() -> None:
    assert rows(covered((500, 1000)).records())["status"][1] == "ok"
    assert rows(covered((499, 1000)).records())["status"][1] == "partial"


def test_what_is_not_known_is_empty_and_decides_nothing() -> None:
    frame = rows(covered(None, (1, 1)).records())
    assert pd.isna(frame["int8_share"][1]) and frame["status"][1] == "ok"
    assert "int8_share" not in rows(covered(None).records())
    assert "int8 %" not in shown(covered(None))


def test_a_cell_that_claims_no_int8_needs_none() -> None:
    run = covered()
    run.lines[1]["executed"] |= {"int8_multiplications": 0, "multiplications": 1000}
    frame = rows(run.records())
    assert (frame["status"][0], frame["int8_share"][0]) == ("ok", 0)


@pytest.mark.parametrize(("criterion", "status"), [("met", "partial"), (None, "partial"), ("failed", "inaccurate")])
def test_what_is_wrong_with_the_accuracy_is_said_first(criterion: str | None, status: str) -> None:
    found = cell_status(
        failures=[], evaluated=True, invocations=3, blocks=3, steady={}, criterion=criterion, int8_share=0.2
    )
    assert found.name == status
