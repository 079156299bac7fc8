"""A table calls a ceiling a ceiling, and a speed-up that is known less well than was asked for inconclusive."""

from __future__ import annotations

import io

from rich.console import Console

from harness.config.schema import ProtocolConfig
from harness.plan.suite import Gate
from harness.publish.common.heading import heading
from harness.publish.table import render
from harness.publish.table.gates import judge
from harness.publish.table.rows import rows
from tests.publish.sample_run import SampleRun

KERNELS = {"oneDNN matmul gemm:jit u8xs8": 38, "ATen avx2": 1, "MKL SGEMM unknown": 1}


def capped(isa="avx2"):
    """Return the records of a run whose only host option is a ceiling."""
    run = SampleRun()
    for name in ("fp32", "ptq_static"):
        cell = run.cell(name)
        run.prepared(cell)
        ops = {"int8_ops": 38, "bf16_ops": 0, "fp32_ops": 0, "source": "torch.profiler", "kernels": KERNELS}
        run.accuracy(cell, run.predictions({1}), executed=ops)
        for block in range(4):
            run.invocation(cell, block, 9.0 + block)
    run.exclude("bf16", "eager", "not here")
    for option in run.options.values():
        if option["axis"] == "host":
            option["config"]["isa"] = isa
    return run.records()


def printed(lines):
    console = Console(file=io.StringIO(), width=200)
    render.show(rows(lines), heading(lines), console)
    return console.file.getvalue()


def test_every_row_and_every_table_below_a_ceiling_says_so():
    lines = capped()
    assert set(rows(lines)["host"]) == {"native (avx2 ceiling)"}
    for text in (printed(lines), render.markdown(rows(lines), heading(lines))):
        assert "native (avx2 ceiling)" in text
        assert "not their speed" in text
    for isa in (None, "native"):
        assert set(rows(capped(isa))["host"]) == {"native"}
        assert "ceiling" not in printed(capped(isa))


def test_a_row_below_a_ceiling_tells_what_its_kernels_told_and_which_did_not():
    first = rows(capped()).iloc[0]
    assert first["reason"] == "highest instruction set that its kernels told: avx2 (not told by MKL SGEMM)"
    assert first["status"] == "ok"


def test_a_gate_names_a_ceiling_by_its_option():
    frame = rows(capped())
    frame["host"] = "avx2 ceiling"
    gate = Gate("kept", {"value": ">= 0.9"}, {"host": ("avx2",), "approach": ("ptq_static",)})
    (outcome,) = judge([gate], frame, ("avx2",))
    assert outcome.state == "met"


def budgeted(latencies_ms, blocks=5, target=0.02):
    run = SampleRun(protocol=ProtocolConfig(name="quick", blocks=blocks, target_half_width=target, budget_seconds=60))
    count = len(latencies_ms)
    run.measured(run.cell("fp32"), {1}, [20.0] * count)
    run.measured(run.cell("ptq_static"), {1}, latencies_ms)
    return run.records()


def test_a_speed_up_that_is_wider_than_the_target_is_inconclusive_and_says_how_wide():
    wide, narrow = budgeted([9, 10, 11, 9, 10, 11, 10]), budgeted([10, 10.01, 9.99, 10, 10.01, 9.99, 10])
    (baseline, found), (_, known) = (list(rows(lines).itertuples()) for lines in (wide, narrow))
    half_width = (found.speedup_high / found.speedup_low) ** 0.5 - 1
    assert found.reason == (
        f"speed inconclusive: known to {100 * half_width:.2g} % either way, and the protocol wants 2 %"
    )
    assert found.status == "ok"
    assert baseline.reason is known.reason is None


def test_a_target_is_met_up_to_its_very_width():
    latencies = [9, 10, 11, 9, 10, 11, 10]
    (_, found) = rows(budgeted(latencies)).itertuples()
    half_width = (found.speedup_high / found.speedup_low) ** 0.5 - 1
    reasons = [rows(budgeted(latencies, target=half_width * share)).iloc[1]["reason"] for share in (0.99, 1.01)]
    assert "inconclusive" in reasons[0]
    assert reasons[1] is None


def test_too_few_pairs_are_inconclusive_however_close():
    (_, found) = rows(budgeted([10, 10.01, 9.99], blocks=3)).itertuples()
    assert found.reason.startswith("speed inconclusive: 3 pairs are too few")


def test_blocks_beyond_the_protocols_own_are_told_apart():
    lines = budgeted([9, 10, 11, 9, 10, 11, 10])
    assert "5+2" in printed(lines)
    assert heading(lines).blocks == "14 invocations in 5 blocks and more where speed-ups were known least"
    assert heading(budgeted([9, 10, 11, 9, 10])).blocks == "10 invocations in 5 blocks"
