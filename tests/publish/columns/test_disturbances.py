"""A row measured on a busy host is not `ok` and not the fastest; single busy blocks are left out of its figures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from harness.config.schema import ProtocolConfig
from harness.plan.suite import Gate
from harness.publish.common.heading import heading
from harness.publish.common.recorded import baseline_of, index, planned
from harness.publish.compare.comparison import comparison
from harness.publish.compare.records import Run
from harness.publish.scaling import layouts
from harness.publish.table import render
from harness.publish.table.gates import judge
from harness.publish.table.rows import rows
from harness.results.records import record
from harness.stats.decisions.changes import Rule
from tests.publish.sample_run import MS, SampleRun, readings

#: Beside two busy loops INT8, whose threads sleep between its ops, is slowed down less than FP32.
QUIET, BUSY = (15.0, 8.0), (60.0, 11.0)


def sampled(busy, *, cell_only=(), blocks=4, **fields) -> SampleRun:
    """Return a run in which others took 69 % of the cores in some blocks; in `cell_only` the baseline was spared."""
    run = SampleRun(protocol=ProtocolConfig(name="quick", blocks=4, criterion=0.05))
    for place, name in enumerate(("fp32", "ptq_static")):
        cell = run.cell(name)
        run.prepared(cell)
        run.accuracy(cell, run.predictions(set(range(60))))
        for block in range(blocks):
            is_busy = block in busy or (place == 1 and block in cell_only)
            level = (BUSY if is_busy else QUIET)[place] * (1 + 0.003 * (block % 3))
            share = 0.69 if is_busy else 0.01
            run.invocation(cell, block, level, throughput_ms=6 * level, foreign_share=share, **fields)
    return run


def printed(run: SampleRun) -> str:
    console = Console(file=io.StringIO(), width=220)
    lines = run.records()
    render.show(rows(lines), heading(lines), console)
    return console.file.getvalue()


def row(run: SampleRun, approach: str = "ptq_static"):
    return rows(run.records()).set_index("approach").loc[approach]


def test_a_quiet_run_is_ok_and_says_nothing_of_it():
    found = row(sampled(()))
    assert (found["status"], found["blocks"], found["blocks_disturbed"]) == ("ok", 4, 0)
    assert found["foreign_share"] == pytest.approx(0.01, abs=1e-3)
    text = printed(sampled(()))
    assert "Fastest within" in text and "out: blocks" not in text


def test_a_busy_block_is_left_out_and_the_figures_are_those_of_the_others():
    found, quiet = row(sampled({2})), row(sampled(()))
    assert (found["status"], found["blocks"], found["blocks_disturbed"]) == ("ok", 3, 1)
    assert found["speedup_pairs"] == 3
    for column in ("speedup", "p50_ms", "throughput_per_s"):
        assert found[column] == pytest.approx(quiet[column], rel=0.01)
    text = printed(sampled({2}))
    assert "3/4, 1 out" in text and "out: blocks that do not count" in text


def test_a_pair_is_left_out_when_either_side_was_disturbed():
    run = sampled((), cell_only={1})
    assert (row(run)["blocks"], row(run)["blocks_disturbed"]) == (3, 1)
    assert (row(run, "fp32")["blocks"], row(run, "fp32")["blocks_disturbed"]) == (4, 0)


def test_a_run_beside_busy_loops_is_disturbed_and_calls_nothing_the_fastest():
    run = sampled(set(range(4)))
    for name in ("fp32", "ptq_static"):
        found = row(run, name)
        assert found["status"] == "disturbed"
        assert "busy with something else in 4 of 4 blocks" in found["reason"]
        assert "others took 69.0 % of its cores' time" in found["reason"]
    text = printed(run)
    assert "Fastest within" not in text and "No cell is called the fastest" in text
    assert "Measured on a busy host, so not counted, fastest first: ptq_static/eager 5.4" in text


def test_a_cell_that_alone_was_disturbed_is_not_ranked():
    text = printed(sampled((), cell_only={0, 1, 2}))
    assert "No cell is shown to be within" in text
    assert "Measured on a busy host, so not counted" in text


def test_half_of_the_blocks_are_no_majority():
    assert row(sampled({0, 1}))["status"] == "ok"
    assert row(sampled({0, 1, 2}))["status"] == "disturbed"


def test_a_slow_control_disturbs_as_in_a_comparison():
    run = sampled(())
    for line in run.lines:
        if line["type"] == "invocation" and line["block"] == 3:
            line["control"]["gemm_ns"] = [2]
    assert row(run)["blocks_disturbed"] == 1


def test_scaling_is_not_held_against_a_disturbed_row():
    for busy in (set(range(4)), set()):
        told = index(sampled(busy).records())
        cells = planned(told.header)
        point = layouts._latency(told, cells[0], baseline_of(told.header, cells[0], cells))
        assert (point is None) == bool(busy)


def compared(tmp_path, other: SampleRun, host: str):
    """Return the row of INT8 in the comparison of a quiet run with one that was not measured interleaved with it."""
    variants = []
    for name, run in (("a", sampled(())), ("b", other)):
        header, *lines = run.records()
        told = {**header, "run": name, "host": host if name == "b" else header["host"]}
        variants.append(Run(**vars(index([told, *lines]))))
    return comparison(*variants, tmp_path, Rule(floor=0.01)).rows.set_index("approach").loc["ptq_static"]


@pytest.mark.parametrize("host", ["9c2f", "other"])
@pytest.mark.parametrize("how", [{"busy": {0, 1, 2, 3}}, {"busy": {0}, "cell_only": {1, 2}}])
def test_no_comparison_gives_a_disturbed_row_a_verdict(tmp_path, how, host):
    found = compared(tmp_path, sampled(**how), host)
    out = len(how["busy"] | how.get("cell_only", set()))
    for role, speedup in (("latency", "speedup"), ("throughput", "throughput_speedup")):
        assert found[f"{role}_verdict"] == "inconclusive" and np.isnan(found[f"{role}_ratio"])
        assert found[f"{role}_reason"] == f"the host was slow or busy with something else: in B {out} of 4 blocks"
        assert found[f"a_{speedup}"] > 1 and np.isnan(found[f"b_{speedup}"])


@pytest.mark.parametrize("host", ["9c2f", "other"])
def test_a_comparison_leaves_out_single_busy_blocks(tmp_path, host):
    found = compared(tmp_path, sampled({2}), host)
    assert (found["latency_pairs"], found["latency_left_out"]) == (3, 1)
    assert found["latency_ratio"] == pytest.approx(1, abs=0.01)
    if host == "9c2f":
        assert found["b_latency_ms"] == pytest.approx(8, rel=0.01)


def with_server(shares) -> SampleRun:
    """Return a run whose server scenario answered queries in 0.2 ms on a quiet host, and in 0.5 ms on a busy one."""
    run = sampled(())
    for block, share in enumerate(shares):
        rate = 50.0 if share < 0.05 else 20.0
        latency_ns = [MS // 5 if share < 0.05 else MS // 2]
        probe = {"target_per_second": rate, "valid": True, "scheduled_ns": [0], "latency_ns": latency_ns,
                 "samples": [0], "loadgen": {}}  # fmt: skip
        run.lines.append(
            record.scenario(
                cell=run.cells[0]["key"], cell_digest=run.cells[0]["digest"], artefact="a", block=block,
                scenario="server", generator="loadgen", batch_size=1, sequence_length=128, tokens=[], cores=[0, 1],
                threads=2, steady=True, warmup_ns=[], valid=True, per_second=rate, percentile=0.9, limit_ns=MS,
                percentiles=[], probes=[probe], layouts=[], peak_memory_bytes=1, wall_seconds=1.0, process_seconds=1.0,
                system=readings(share),
            )
        )  # fmt: skip
    return run


def test_a_scenario_on_a_busy_host_is_left_out_or_says_so():
    quiet = row(with_server([0.0, 0.0, 0.0]), "fp32")["server_per_s"]
    assert row(with_server([0.0, 0.5, 0.0]), "fp32")["server_per_s"] == pytest.approx(quiet)
    assert row(with_server([0.5, 0.5, 0.5]), "fp32")["server_per_s"] < 0.9 * quiet
    found = row(with_server([0.5, 0.5, 0.0]), "fp32")
    assert "server: the host was busy with something else in 2 of 3 blocks" in found["reason"]
    assert found["status"] == "ok"


@pytest.mark.parametrize("bound", [">= 1.5", "< 1.5"])
def test_no_gate_on_a_timing_is_decided_by_a_busy_host(bound):
    gate = Gate(name="worth it", match={"approach": ("ptq_static",)}, require={"speedup": bound}, when={})
    (busy,) = judge([gate], rows(sampled(set(range(4))).records()), ())
    assert busy.state == "undecided"
    (quiet,) = judge([gate], rows(sampled(()).records()), ())
    assert quiet.state == ("met" if bound == ">= 1.5" else "failed")
