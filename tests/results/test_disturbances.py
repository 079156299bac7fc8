"""Which invocations of a run count: by the share of the cores that others took, and by the control."""

from __future__ import annotations

import pytest

from harness.results import disturbances
from harness.stats.timings.disturbance import BUSY_SHARE, SLOW_CONTROL
from tests.publish.sample_run import MS, SampleRun, readings


def of(run: SampleRun) -> disturbances.HostStates:
    header, _, *lines = run.records()
    return disturbances.of_run(header, [line for line in lines if line["type"] == "invocation"])


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.5])
def test_the_share_is_what_others_took_and_not_the_process_itself(share):
    run = SampleRun()
    cell = run.cell("fp32")
    run.invocation(cell, 0, 5.0, foreign_share=share)
    host = of(run)
    assert host.foreign_shares[cell["digest"], 0] == pytest.approx(share, abs=1e-3)
    assert bool(host.disturbed) == (share > BUSY_SHARE)


def test_where_the_host_does_not_tell_nothing_is_known_and_nothing_is_left_out():
    run = SampleRun()
    cell = run.cell("fp32")
    run.invocation(cell, 0, 5.0)
    assert of(run).foreign_shares == {(cell["digest"], 0): None}
    assert not of(run).disturbed


def in_turns(ring, own_seconds):
    """Return a run of cells that were timed in turns for ten seconds, each at work in its own part of them."""
    run = SampleRun()
    cells = [run.cell(f"a{number}") for number in range(len(own_seconds))]
    for cell, seconds in zip(cells, own_seconds, strict=True):
        run.invocation(cell, 0, 5.0, **({} if ring is None else {"ring": ring}))
        run.lines[-1]["system"] = readings(0.0, own_seconds=sum(own_seconds))
        run.lines[-1]["system"]["after"]["process_cpu_ns"] = round(seconds * 1000 * MS)
        for series in run.lines[-1]["series"]:
            series["turns"] = [5] * 5
    return run


def test_those_timed_in_turns_are_no_disturbance_of_each_other():
    host = of(in_turns([0, 1, 2], [3.0, 5.0, 4.0]))
    assert [share for share in host.foreign_shares.values()] == pytest.approx([0, 0, 0], abs=1e-3)
    assert not host.disturbed


def test_what_partners_used_that_the_record_does_not_name_is_no_sign_of_anything():
    host = of(in_turns(None, [3.0, 9.0]))
    assert set(host.foreign_shares.values()) == {None}
    assert not host.disturbed


def test_a_slow_control_is_a_slow_host_beside_those_of_the_same_cores_only():
    run = SampleRun()
    cell = run.cell("fp32")
    for block, gemm_ns in enumerate([100, 101, 99, round(100 * SLOW_CONTROL) + 5, 100]):
        run.invocation(cell, block, 5.0, gemm_ns=gemm_ns)
    for block in (5, 6):
        run.invocation(cell, block, 5.0, gemm_ns=400, threads=1)
    assert of(run).disturbed == {(cell["digest"], 3)}


@pytest.mark.parametrize(("bad", "left"), [(0, 4), (2, 2), (3, 0)])
def test_where_most_are_disturbed_none_counts(bad, left):
    run = SampleRun()
    cell = run.cell("fp32")
    for block in range(4):
        run.invocation(cell, block, 5.0, foreign_share=0.5 if block < bad else 0.0)
    counted = of(run).counted(line for line in run.lines if line["type"] == "invocation")
    assert len(counted) == left
