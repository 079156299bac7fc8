"""A table shows an emulated CPU's accuracy and kernels, says that it is one, and holds no speed of it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.commands import status
from harness.errors import UserError
from harness.plan.suite import Gate
from harness.publish.common.heading import heading
from harness.publish.table import render
from harness.publish.table.gates import judge
from harness.publish.table.rows import rows
from harness.publish.trend import host_matrix
from harness.results import store
from harness.results.history import histories
from tests.publish.sample_run import RUN, SampleRun

KERNELS = {"oneDNN matmul gemm:jit u8xs8": 38, "ATen avx2": 1}


def emulated(wrong: dict[str, set[int]]):
    """Return the records of a run whose only host option has an emulated CPU."""
    run = SampleRun()
    for name, rows_wrong in wrong.items():
        cell = run.cell(name)
        run.prepared(cell)
        ops = {"int8_ops": 38, "bf16_ops": 0, "fp32_ops": 0, "source": "torch.profiler", "kernels": KERNELS}
        run.accuracy(cell, run.predictions(rows_wrong), executed=ops)
    run.exclude("bf16", "eager", "not here")
    for option in run.options.values():
        if option["axis"] == "host":
            option["config"]["emulated"] = "Haswell"
    return run.records()


GOOD = {"fp32": {1}, "ptq_static": {1}}


def printed(lines):
    console = Console(file=io.StringIO(), width=200)
    render.show(rows(lines), heading(lines), console)
    return console.file.getvalue()


def test_every_row_and_every_table_says_that_it_is_emulated():
    lines = emulated(GOOD)
    assert set(rows(lines)["host"]) == {"native (emulated Haswell)"}
    for text in (printed(lines), render.markdown(rows(lines), heading(lines))):
        assert "native (emulated Haswell)" in text.replace("\\", "")
        assert "nothing was timed" in text
        assert "Fastest" not in text and "1.00x" not in text
        assert "0 invocations in 0 blocks" in text


def test_its_accuracy_alone_decides_its_status_and_its_speed_is_empty():
    found = rows(emulated({"fp32": {1}, "ptq_static": set(range(80))})).set_index("approach")
    assert list(found.loc[["fp32", "ptq_static"], "status"]) == ["ok", "inaccurate"]
    assert found.loc["fp32", "reason"] == "highest instruction set that its kernels told: avx2"
    assert found.loc["ptq_static", "baseline"] == found.loc["fp32", "cell_key"]
    timed = ["p50_ms", "throughput_per_s", "speedup", "peak_memory_mb", "blocks", "blocks_wanted", "iterations"]
    assert found[timed].isna().all(axis=None)


@pytest.mark.parametrize(("column", "state"), [("speedup", "skipped"), ("p50_ms", "skipped"), ("value", "met")])
def test_a_gate_on_what_is_timed_does_not_mean_it(column, state):
    frame = rows(emulated(GOOD))
    frame["host"] = "emulated_avx2 (emulated Haswell)"
    gate = Gate("held", {column: ">= 0.5"}, {"host": ("emulated_avx2",), "approach": ("ptq_static",)})
    (outcome,) = judge([gate], frame, ("avx2",))
    assert outcome.state == state, outcome


@pytest.fixture
def results(tmp_path):
    writer = store.RunWriter.create(tmp_path, emulated(GOOD)[0])
    for line in emulated(GOOD)[1:]:
        writer.append(line)
    return tmp_path


def test_a_run_of_it_is_done_when_it_is_evaluated(results, capsys):
    class Arguments:
        run, json = RUN, False

    Arguments.results = results
    assert status.run(Arguments) == 0
    shown = capsys.readouterr().out
    assert "2 done" in shown and "0/0" in shown


def test_a_trend_of_its_latency_is_refused_and_that_of_its_accuracy_named(results):
    from harness.commands import trend

    found, _ = histories(results, None)
    with pytest.raises(UserError, match="none of these cells has a latency; they have accuracies: --metric accuracy"):
        trend._trends(results, found, "latency")
    assert len(trend._trends(results, found, "accuracy")) == 2


def test_it_is_a_column_of_its_own_among_hosts_and_is_called_emulated(results):
    found = host_matrix.matrix(results, histories(results, None)[0])
    (column,) = found.columns
    assert "emulated Haswell" in column
    assert {value["ceiling"] for value in found.values.values()} == {"emulated Haswell"}
