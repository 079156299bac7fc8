"""When a row is unstable: by its latency, and by all that its invocations show together."""

from __future__ import annotations

from harness.publish.table.rows import rows
from tests.publish.sample_run import SampleRun


def row(latency: list[int] | None, role: str = "latency") -> dict:
    """Return the row of a cell, one of whose series never became flat, with these timed iterations if any."""
    run = SampleRun()
    cell = run.cell("fp32")
    run.accuracy(cell, run.predictions(set()))
    for block in range(4):
        run.invocation(cell, block, 10.0)
    for line in run.lines:
        for series in line.get("series", ()):
            if series["role"] == role:
                series["steady"] = False
                series["latency_ns"] = latency or series["latency_ns"]
    (found,) = rows(run.records()).to_dict("records")
    return found


def test_latency_that_rises_from_begin_to_end_makes_the_row_unstable():
    found = row(None)
    assert (found["status"], found["reason"]) == ("unstable", "latency: no steady state shown in 4 of 4 invocations")


def test_throughput_without_a_steady_state_leaves_the_row_ok_and_is_said():
    found = row(None, "throughput")
    assert (found["status"], found["reason"]) == ("ok", "throughput: no steady state shown in 4 of 4 invocations")


def test_timed_series_that_do_not_drift_are_steady_though_a_short_warm_up_could_not_show_it():
    assert row([150_000_000, 151_000_000, 149_000_000, 150_000_000, 151_000_000, 149_500_000])["status"] == "ok"
