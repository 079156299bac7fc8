"""Parent and child are killed at random points; the resumed run is complete and nothing was done twice."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import psutil

from harness.results import store
from tests.whole.tiny import command, harness, variables

BLOCKS = 2
CELLS = 3
KILLED_PARENTS = 4


def _records(project: Path) -> list[dict]:
    (run,) = (path for path in store.runs(project / "results") if "-tiny-" in path.name)
    return store.read_run(run)


def _progress(project: Path) -> int:
    return sum(path.stat().st_size for path in (project / "results" / "runs").glob("*-tiny-*.jsonl"))


def _start(project: Path, cache: Path) -> subprocess.Popen:
    return subprocess.Popen(
        command(project, "run", "suite=tiny"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=variables(cache),
    )


def _children(parent: subprocess.Popen) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(parent.pid).children(recursive=True)
    return []


def _wait(parent: subprocess.Popen, holds, seconds: float) -> bool:
    """Wait until `holds()` or the parent's end; say whether it holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and parent.poll() is None:
        if holds():
            return True
        time.sleep(0.02)
    return holds()


def test_a_run_survives_kills_of_parent_and_child(project, cache):
    generator = random.Random(20261124)
    # A parent is killed at a random moment after it has written something new, so that each attempt gets further.
    for attempt in range(KILLED_PARENTS):
        before = _progress(project)
        parent = _start(project, cache)
        assert _wait(parent, lambda before=before: _progress(project) > before, 120), f"attempt {attempt}: no record"
        time.sleep(generator.uniform(0, 4))
        children = _children(parent)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        _, alive = psutil.wait_procs(children, timeout=10)
        assert not alive, "a child outlived its parent"
        if any(line["type"] == "invocation" for line in _records(project)):
            # The last block is left to be gone on with: a run that is complete would not be.
            break

    # Then children are: each such death is one typed record, and the run goes on. The child that measures the host's
    # peak belongs to no cell, so its death is not one of these: it is waited for.
    parent = _start(project, cache)
    assert _wait(parent, lambda: any(line["type"] == "peak" for line in _records(project)), 300)
    killed = 0
    while parent.poll() is None and killed < 1:
        for child in _children(parent):
            with contextlib.suppress(psutil.NoSuchProcess):
                if "harness.worker" in " ".join(child.cmdline()) and child.cpu_times().user > 0.3:
                    os.kill(child.pid, signal.SIGKILL)
                    killed += 1
                    break
        time.sleep(0.05)
    assert parent.wait(300) in (0, 1, 3)

    finished = harness(project, cache, "status")
    lines = _records(project)
    assert store.is_complete(lines), finished.stdout

    header = lines[0]
    assert len(header["cells"]) == CELLS
    kinds = Counter(line["type"] for line in lines)
    assert kinds["header"] == 1
    once = Counter((line["type"], line["cell_digest"]) for line in lines if line["type"] in ("prepared", "accuracy"))
    assert set(once.values()) == {1}, once
    measured = Counter(
        (line["cell_digest"], line["block"])
        for line in lines
        if line["type"] == "invocation" or (line["type"] == "failure" and line["block"] is not None)
    )
    assert set(measured.values()) == {1}, measured
    lost = {line["cell_digest"] for line in lines if line["type"] == "failure" and line["block"] is None}
    assert len(lost) <= killed
    for cell in header["cells"]:
        if cell["digest"] not in lost:
            assert all((cell["digest"], block) in measured for block in range(BLOCKS)), cell["key"]

    # A ring that loses a child is measured again, each cell by itself; other deaths are failures.
    failures = [line for line in lines if line["type"] == "failure"]
    broken = {line["block"] for line in lines if line["type"] == "invocation" and "ring" not in line}
    assert len(failures) + len(broken) == killed
    for failure in failures:
        assert failure["kind"] in ("crash", "oom") and "SIGKILL" in failure["message"]


def test_artefacts_left_by_a_killed_run_are_whole(project, cache):
    folders = [path.parent for path in (cache / "artefacts").rglob("result.json")]
    assert folders
    for folder in folders:
        json.loads((folder / "result.json").read_text())
