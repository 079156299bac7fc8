"""Latency against threads and rows against instances x cores, from hand-made runs with known efficiencies."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.host.placement import default_cores
from harness.plan.catalogue import catalogue
from harness.plan.matrix import make_plan
from harness.publish.common.heading import heading
from harness.publish.scaling.layouts import scaling, sentences
from harness.publish.scaling.picture import draw
from tests.host.machines import MACHINES, described
from tests.publish.sample_run import SampleRun
from tests.results.records import sample_records


def _run(latencies: dict[tuple[str, int], list[float]]) -> SampleRun:
    """Return a run of FP32 and static INT8 in which `latencies` (approach, threads) are those of its blocks."""
    run = SampleRun()
    for (approach, threads), blocks in latencies.items():
        cell = run.cell(approach, host=f"node[threads={threads}]")
        for block, latency in enumerate(blocks):
            run.invocation(cell, block, latency, threads=threads)
    return run


def _offline(run: SampleRun, approach: str, rates: dict[tuple[int, int], list[float]]) -> None:
    cell = run.cell(approach, host="native", label=None)
    sample = sample_records.scenario("offline")["layouts"][0]
    for block in range(3):
        layouts = [
            {**sample, "instances": instances, "cores_per_instance": cores, "per_second": values[block]}
            for (instances, cores), values in rates.items()
        ]
        one = sample_records.scenario("offline", block=block, layouts=layouts)
        run.lines.append({**one, "cell": cell["key"], "cell_digest": cell["digest"]})


FP32 = {("fp32", 1): [40.0, 40.4, 39.6], ("fp32", 2): [25.0, 25.2, 24.8], ("fp32", 4): [20.0, 20.1, 19.9]}
INT8 = {("ptq_static", 1): [10.0, 10.1, 9.9], ("ptq_static", 2): [8.0, 8.1, 7.9], ("ptq_static", 4): [8.05, 8.1, 7.9]}


def test_efficiency_is_the_share_of_what_as_many_threads_would_give():
    fp32, int8 = scaling(_run({**FP32, **INT8}).records()).latency
    assert (fp32.name, int8.name) == ("fp32", "ptq_static")
    assert fp32.efficiency() == [
        (1, pytest.approx(1.0, rel=0.01)),
        (2, pytest.approx(40 / (2 * 25), rel=0.01)),
        (4, pytest.approx(40 / (4 * 20), rel=0.01)),
    ]


def test_the_sentence_names_the_lowest_latency_and_what_its_interval_does_not_tell_it_from():
    (line,) = sentences(scaling(_run({**FP32, **INT8}).records()))
    assert line.startswith("Lowest latency: ptq_static with 2 threads, 8.0")
    assert "at 63 % of the efficiency of its fewest" in line
    assert line.endswith("; not distinguishable from ptq_static with 4 threads.")


def test_rows_a_second_are_those_of_the_best_layout_for_each_number_of_cores():
    run = SampleRun()
    _offline(run, "fp32", {(1, 4): [100, 101, 99], (4, 1): [160, 162, 158], (2, 1): [85, 86, 84], (1, 2): [70, 71, 69]})
    _offline(run, "ptq_static", {(4, 1): [400, 404, 396], (1, 4): [300, 303, 297]})
    found = scaling(run.records())
    fp32 = next(curve for curve in found.rows if curve.name == "fp32")
    assert [(point.cores, point.layout) for point in fp32.points] == [
        (2, "2 instances x 1 core"),
        (4, "4 instances x 1 core"),
    ]
    (line,) = sentences(found)
    assert line.startswith("Most rows a second: ptq_static with 4 instances x 1 core, 400 [")
    assert line.endswith("].")


def test_one_number_of_threads_is_no_scaling(tmp_path: Path):
    run = _run({("fp32", 2): [25.0, 25.2, 24.8], ("ptq_static", 2): [8.0, 8.1, 7.9]})
    found = scaling(run.records())
    assert not found and list(sentences(found)) == []
    assert draw(found, heading(run.records()), [tmp_path / "x.svg"]) == []


def test_the_picture_is_the_same_for_the_same_records_and_reads_no_mathematics(tmp_path: Path):
    run = _run({**FP32, **INT8})
    _offline(run, "fp32", {(1, 4): [100, 101, 99], (4, 1): [160, 162, 158]})
    run.cells[0]["labels"][2] = "$a_{$"
    found = scaling(run.records())
    paths = [draw(found, heading(run.records()), [tmp_path / f"{name}.svg"])[0] for name in ("one", "other")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("name", MACHINES)
def test_threads_double_up_to_the_cores_of_a_node_of_each_machine(name):
    host = described(name)
    plan = make_plan(catalogue(), ["suite=scaling", "approach=fp32", "backend=eager"], host)
    threads = [cell.host.threads for cell in plan.cells if cell.labels[6] == "threads"]
    most = len(default_cores(host))
    assert threads[-1] == most and threads == sorted(set(threads))
    assert threads[:-1] == [2**power for power in range(len(threads) - 1)] and threads[-1] <= 2 ** (len(threads) - 1)
    assert [cell.host.threads for cell in plan.cells if cell.labels[6] == "instances"] == [None]
