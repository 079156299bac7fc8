"""A whole run on an emulated CPU: made and evaluated there, tokenised and trained here, and never timed."""

from __future__ import annotations

import pytest

from harness.publish.table.rows import rows
from harness.results import store
from tests.whole.tiny import harness

#: Few rows of few tokens: most of the time is importing torch, once for each of the two stages of the cell's own.
ARGUMENTS = (
    *("suite=tiny", "approach=ptq_static", "backend=fx", "host=emulated_avx2", "protocol.limit_evaluation=8"),
    *("task.max_length=8", "task.fine_tune.epochs=1", "approach.calibration.samples=10"),
)


@pytest.mark.backend("torch")
@pytest.mark.usefixtures("qemu")
def test_a_run_on_an_emulated_cpu_has_accuracies_and_kernels_and_no_timing(project, cache):
    finished = harness(project, cache, "run", *ARGUMENTS, seconds=2400)
    assert finished.returncode == 0, finished.stderr
    (path,) = store.runs(project / "results")
    lines = store.read_run(path)
    assert lines[0]["emulator"].startswith("qemu-x86_64 ")
    assert {line["type"] for line in lines} == {"header", "dataset", "prepared", "accuracy", "end"}

    (row,) = rows(lines).to_dict("records")
    assert (row["status"], row["host"], row["rows"]) == ("ok", "emulated_avx2 (emulated Haswell)", 8)
    assert row["int8_ops"] > 0
    assert "highest instruction set that its kernels told: avx2" in row["reason"]
    assert row["p50_ms"] != row["p50_ms"]
    assert "emulated_avx2 (emulated Haswell): 8 evaluation rows" in finished.stdout
    again = harness(project, cache, "status")
    assert again.returncode == 0 and "1 done" in again.stdout
