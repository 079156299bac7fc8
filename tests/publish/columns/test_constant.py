"""A table whose baseline is no better than one answer says so and calls nothing the fastest."""

from __future__ import annotations

import io

import numpy as np
from rich.console import Console

from harness.config.schema import ProtocolConfig
from harness.publish.common.heading import heading
from harness.publish.table import render
from harness.publish.table.rows import rows
from tests.publish.sample_run import ROWS, SampleRun


def told(run: SampleRun) -> tuple[str, str]:
    """Return what the terminal shows, in one line, and the Markdown."""
    records = run.records()
    stream = io.StringIO()
    render.show(rows(records), heading(records), Console(file=stream, width=200))
    return " ".join(stream.getvalue().split()), render.markdown(rows(records), heading(records))


def two_cells(wrong: int) -> SampleRun:
    """Return FP32 and a cell twice as fast that answers the same, both wrong on so many rows."""
    run = SampleRun(protocol=ProtocolConfig(name="quick", blocks=4, criterion=0.02))
    run.measured(run.cell("fp32"), set(range(wrong)), [20.0, 20.2, 19.9, 20.1])
    run.measured(run.cell("ptq_static", "fx"), set(range(wrong)), [10.0, 10.1, 9.9, 10.0])
    return run


def test_a_baseline_that_is_worse_than_one_class_is_said_in_title_and_sentence():
    for text in told(two_cells(wrong=330)):
        assert "THE BASELINE IS NOT BETTER THAN A CONSTANT ANSWER" in text
        assert "Nothing is called the fastest here" in text
        assert "not shown to be better than always answering '0': 17.5 % of 400 rows are right" in text
        assert "that class alone has 50.0 %" in text
        assert "Fastest within" not in text


def test_a_sane_baseline_has_its_fastest_cell():
    for text in told(two_cells(wrong=60)):
        assert "CONSTANT" not in text
        assert "Fastest within the allowed loss" in text


def test_the_column_holds_it_for_each_evaluated_cell():
    run = two_cells(wrong=60)
    run.measured(run.cell("qat", "fx"), set(range(300)), [9.0] * 4)
    run.cell("bf16")  # never evaluated
    frame = rows(run.records())
    assert frame["beats_constant"].tolist() == [True, True, False, None]
    # The baseline is sane: a broken cell is the criterion's business.
    assert "CONSTANT" not in told(run)[0]


def test_rare_classes_are_judged_by_the_tasks_own_metric_too():
    run = SampleRun(metric="matthews")
    run.references = [1 if row < 20 else 0 for row in range(ROWS)]
    # Half of the rare rows are found, at the cost of as many false alarms: 95 % are right, as the frequent class has.
    found = np.array(run.references)
    found[10:20], found[20:30] = 0, 1
    value = float(np.corrcoef(found, run.references)[0, 1])
    run.accuracy(run.cell("fp32"), found.tolist(), value=value)
    assert rows(run.records())["beats_constant"].tolist() == [True]
    run = SampleRun()
    run.references = [1 if row < 20 else 0 for row in range(ROWS)]
    run.accuracy(run.cell("fp32"), found.tolist())
    assert rows(run.records())["beats_constant"].tolist() == [False]


def test_a_regression_is_held_against_its_mean():
    for scale, better in ((1.0, True), (-1.0, False)):
        run = SampleRun(kind="regression", metric="pearson")
        run.references = np.linspace(0, 5, ROWS).tolist()
        predictions = [scale * value + 0.3 * (-1) ** row for row, value in enumerate(run.references)]
        value = float(np.corrcoef(predictions, run.references)[0, 1])
        run.accuracy(run.cell("fp32"), predictions, value=value)
        assert rows(run.records())["beats_constant"].tolist() == [better]
        assert ("the labels' mean 2.5: correlation" in told(run)[0]) is not better


def test_language_models_have_no_constant_to_be_held_against():
    run = SampleRun(kind="language_modelling", metric="perplexity", greater_is_better=False)
    run.references = [127.0] * ROWS
    run.accuracy(run.cell("fp32"), [3.0] * ROWS, value=float(np.exp(3.0)))
    assert rows(run.records())["beats_constant"].isna().all()
    assert "CONSTANT" not in told(run)[0]
