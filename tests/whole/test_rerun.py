"""A recorded cell is run again in the environment of its stored lock; a figure that was tampered with does not hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.results import store
from tests.whole.tiny import harness

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def recorded(project: Path, cache: Path) -> Path:
    """Return the file of a run of FP32 and a static INT8 cell, two blocks each."""
    suite = (project / "suites" / "tiny.yaml").read_text()
    suite = suite.replace("name: tiny", "name: recorded").replace(
        "[fp32, ptq_dynamic, ptq_static]", "[fp32, ptq_static]"
    )
    (project / "suites" / "recorded.yaml").write_text(suite)
    finished = harness(project, cache, "run", "suite=recorded", "protocol.blocks=2")
    assert finished.returncode == 0, finished.stderr
    return next(path for path in store.runs(project / "results") if "-recorded-" in path.name)


def _without_timings(run: Path, folder: Path) -> Path:
    """Return a copy of a run without invocations: two blocks of some milliseconds on a shared machine fall anywhere."""
    path = folder / run.name
    lines = run.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if json.loads(line)["type"] != "invocation"))
    return path


def _tampered(run: Path, folder: Path, **fields: Any) -> Path:
    """Return a copy of a run in which the static cell's accuracy or levels are others."""
    lines = [json.loads(line) for line in run.read_text().splitlines()]
    for line in lines:
        static = "ptq_static" in line.get("cell", "")
        if static and line["type"] == "accuracy" and fields.get("other_label"):
            line["predictions"][0] = 1 - line["predictions"][0]
        if static and line["type"] == "invocation" and "level_ns" in fields:
            # Levels that are nearly the same in both blocks: where a busy host has put them far apart, the interval of
            # two blocks reaches over many powers of ten, and any tampering would be inside.
            for series in line["series"]:
                series["latency_ns"] = [fields["level_ns"] + line["block"]] * len(series["latency_ns"])
    path = folder / run.name
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.backend("torch")
def test_a_recorded_cell_is_run_again_and_its_accuracy_is_bit_equal(project, cache, recorded, tmp_path):
    path = _without_timings(recorded, tmp_path)
    finished = harness(project, cache, "rerun", str(path), "--cell", "ptq_static/fx")
    told = finished.stdout
    assert finished.returncode == 0 and "Traceback" not in finished.stderr, finished.stderr + told
    assert told.splitlines()[-2] == "The old figure holds: data, accuracy."
    assert "The accuracy is bit-equal: accuracy" in told and "fingerprints, rows, labels and references" in told
    assert "whose hashes check: torch" in told and "The harness" in told and "no field differs" in told
    new = store.read_run(next(path for path in store.runs(project / "results") if path != recorded))
    assert new[0]["rerun_of"]["run"] == recorded.stem and new[0]["suite"] == store.read_run(recorded)[0]["suite"]
    assert [line["reused"] for line in new if line["type"] == "accuracy"] == [False, False], "nothing was evaluated"
    assert [line["reused"] for line in new if line["type"] == "prepared"] == [True, True]
    assert sum(line["type"] == "invocation" for line in new) == 4 and store.is_complete(new)
    assert not list((cache / "reruns").iterdir())


@pytest.mark.backend("torch")
def test_a_figure_that_was_tampered_with_does_not_hold(project, cache, recorded, tmp_path):
    path = _tampered(recorded, tmp_path, other_label=True, level_ns=10**9)
    finished = harness(project, cache, "rerun", str(path), "--cell", "ptq_static", "--from-scratch")
    assert finished.returncode == 1, finished.stdout + finished.stderr
    assert "The old figure does not hold: accuracy, latency." in finished.stdout, finished.stdout
    assert "1 of 60 predictions differ" in finished.stdout
    new = store.read_run(store.runs(project / "results")[0])
    assert [line["reused"] for line in new if line["type"] == "prepared"] == [False, False]
    # What was made from scratch has the original keys, and but for the tampering its predictions are the original ones.
    assert "has the original key" in finished.stdout and "it was made again" in finished.stdout


def test_what_cannot_be_run_is_said_in_one_line(project, cache, recorded, tmp_path):
    header = store.read_run(recorded)[0]
    name, lock_hash = next(iter(header["environments"].items()))
    lock = store.environment_file(project / "results", name, lock_hash)
    text = lock.read_text()
    record = f"{recorded.stem}:ptq_static"
    try:
        lock.write_text(text + "nobody-asks-for-this==1.17.0\n")
        edited = harness(project, cache, "rerun", record)
        lock.write_text(f"# original\n{text}")
        commented = harness(project, cache, "rerun", record)
        lock.write_text(f"{text}# why \\\n-e {tmp_path}\n")
        (tmp_path / "setup.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
        hostile = harness(project, cache, "rerun", record)
        lock.unlink()
        missing = harness(project, cache, "rerun", record)
    finally:
        lock.write_text(text)
    assert not (tmp_path / "ran").exists()
    for finished, words in (
        (edited, f"environment torch: {lock} has the hash"),
        (commented, f"environment torch: {lock} was edited; the record names SHA-256"),
        (hostile, f"{lock.name}, line "),
        (missing, f"environment torch: its original lock, {lock}, is not there"),
    ):
        assert finished.returncode == 3 and "Traceback" not in finished.stderr
        (line,) = finished.stdout.strip().splitlines()
        assert line.startswith(f"It could not be run: {words}"), line
    assert f"the record names {lock_hash}" in edited.stdout
    for wrong, words in ((recorded.stem, "want RUN:CELL"), (f"{recorded.stem}:ptq_statik", "no cell 'ptq_statik'")):
        finished = harness(project, cache, "rerun", wrong)
        (line,) = finished.stderr.strip().splitlines()
        assert finished.returncode == 2 and words in line
