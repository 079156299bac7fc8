"""A whole run on an emulated CPU: made and evaluated there, tokenised and trained here, and never timed."""

from __future__ import annotations

import pytest

from harness.publish.rows import rows
from harness.results import store
from tests.whole.tiny import harness

#: Few rows of few tokens: most of the time is importing torch, once for each of four stages.
ARGUMENTS = (
    *("suite=tiny", "approach=fp32,ptq_static", "host=emulated_avx2", "protocol.limit_evaluation=8"),
    *("task.max_length=8", "approach.calibration.samples=10"),
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

    found = rows(lines)
    found = found[found["status"] != "excluded"].set_index("approach")
    assert list(found.index) == ["fp32", "ptq_static"]
    assert set(found["host"]) == {"emulated_avx2 (emulated Haswell)"}
    assert found.loc["ptq_static", "int8_ops"] > 0
    assert found["reason"].str.contains("highest instruction set that its kernels told: avx2").all()
    assert found[["p50_ms", "speedup"]].isna().all(axis=None)
    assert "emulated_avx2 (emulated Haswell): 8 evaluation rows" in finished.stdout
    again = harness(project, cache, "status")
    assert again.returncode == 0 and "2 done" in again.stdout
