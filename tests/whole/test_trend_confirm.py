"""A candidate measured again for real: an earlier state is brought back, and a step that never was is not reported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from harness.results import confirmations, store
from harness.results.history import histories
from tests.whole.tiny import harness

CELL = "fp32/eager"
BEFORE, AFTER = 10, 6


def _history_of(project: Path, run: Path) -> None:
    """Put copies of a run in its place: the first in another config, all of made-up latency on a calm host."""
    header, *lines = store.read_run(run)
    run.unlink()
    rng = np.random.default_rng(0)
    for number in range(BEFORE + AFTER):
        early = number < BEFORE
        factor = (1.0 if early else 1.3) * float(np.exp(0.005 * rng.standard_normal()))
        name = f"20260101T{number:06d}Z-tiny-{number:04x}"
        copy = json.loads(
            json.dumps([header | {"run": name, "time": f"2026-01-{number + 1:02d}T00:00:00.000Z"}, *lines])
        )
        for option in copy[0]["options"]:
            # Nothing reads this variable: both states are equally fast.
            if option["axis"] == "backend" and early:
                option["config"]["variables"] = {"OMP_NOBODY_READS_THIS": "1"}
        for series in (each for line in copy if line["type"] == "invocation" for each in line["series"]):
            series["latency_ns"] = [round(5e6 * factor)] * len(series["latency_ns"])
        for line in (one for one in copy if one["type"] == "invocation"):
            # A calm host: a disturbed block would be left out of the history.
            line["system"]["after"] = line["system"]["before"]
            line["control"] |= {name: [1_000_000] * 3 for name in ("gemm_ns", "stream_ns")}
        with store.RunWriter.create(project / "results", copy[0]) as writer:
            for line in copy[1:]:
                writer.append(line)


@pytest.mark.backend("torch")
def test_a_step_that_cannot_be_repeated_is_not_confirmed(project: Path, cache: Path, tmp_path: Path) -> None:
    mine = tmp_path / "project"
    shutil.copytree(project, mine, ignore=shutil.ignore_patterns("results"))
    finished = harness(mine, cache, "run", "suite=tiny", "approach=fp32", "backend=eager")
    assert finished.returncode == 0, finished.stderr
    (run,) = store.runs(mine / "results")
    _history_of(mine, run)

    finished = harness(mine, cache, "trend", CELL, "--no-pictures")
    assert "1 candidate" in finished.stdout and "slower +2" in finished.stdout, finished.stdout + finished.stderr
    finished = harness(mine, cache, "trend", CELL, "--no-pictures", "--confirm", "--pairs", "8")
    assert finished.returncode == 0, finished.stderr
    assert "1 not confirmed" in finished.stdout and "Traceback" not in finished.stderr

    # The variants of the confirmation are no part of the history, and its answer is remembered.
    (one,) = histories(mine / "results", CELL)[0]
    assert len(one.points) == BEFORE + AFTER
    (answer,) = confirmations.read(mine / "results", one.machine)
    assert answer.before == one.points[BEFORE - 1].run and answer.after == one.points[BEFORE].run
    assert answer.verdict != "slower" and len(answer.runs) == 2
    variants = [store.read_run(store.find_run(mine / "results", name)) for name in answer.runs]
    variables = [
        next(option["config"]["variables"] for option in lines[0]["options"] if option["axis"] == "backend")
        for lines in variants
    ]
    assert variables == [{"OMP_NOBODY_READS_THIS": "1"}, {}]
    counts = [sum(line["type"] == "invocation" for line in lines) for lines in variants]
    assert counts == [8, 8]
    finished = harness(mine, cache, "trend", CELL, "--no-pictures")
    assert "1 not confirmed" in finished.stdout
