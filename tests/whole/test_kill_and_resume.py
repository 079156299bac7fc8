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
KILLED_PARENTS = 12


def _records(project: Path) -> list[dict]:
    (run,) = (path for path in store.runs(project / "results") if "-tiny-" in path.name)
    return store.read_run(run)


def _progress(project: Path) -> int:
    return sum(path.stat().st_size for path in (project / "results" / "runs").glob("*-tiny-*.jsonl"))


def _has_timings(project: Path) -> bool:
    return bool(_progress(project)) and any(line["type"] == "invocation" for line in _records(project))


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


def _kill_one_of_several(parent: subprocess.Popen) -> bool:
    """Kill a child that has begun to work while another is there too; say whether one was killed."""
    with contextlib.suppress(psutil.NoSuchProcess):
        workers = [child for child in _children(parent) if "harness.worker" in " ".join(child.cmdline())]
        working = [child for child in workers if child.cpu_times().user > 0.3]
        if len(workers) > 1 and working:
            os.kill(working[-1].pid, signal.SIGKILL)
            return True
    return False


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
    # A parent is killed at a random moment after it has written something new, so that each attempt gets further; with
    # the first timings at the latest, for a run that has come to its end would not be gone on with.
    killed_parents = killed_beside_children = 0
    while not _has_timings(project):
        assert killed_parents < KILLED_PARENTS, "no kill has left it any further"
        before = _progress(project)
        parent = _start(project, cache)
        assert _wait(parent, lambda before=before: _progress(project) > before, 120), f"{killed_parents}: no record"
        _wait(parent, lambda: _has_timings(project), generator.uniform(0, 4))
        children = _children(parent)
        parent.send_signal(signal.SIGKILL)
        assert parent.wait() == -signal.SIGKILL, "the parent had ended before it was killed"
        killed_parents += 1
        killed_beside_children += bool(children)
        _, alive = psutil.wait_procs(children, timeout=10)
        assert not alive, "a child outlived its parent"
    assert killed_beside_children, "no parent was killed while it had a child"
    assert not store.is_complete(_records(project))

    # Then a child is, of those that are timed interleaved: all of them are measured again, each by itself.
    parent = _start(project, cache)
    killed = _wait(parent, lambda: _kill_one_of_several(parent), 300)
    status = parent.wait(300)
    assert killed, "no child was killed"
    assert status == 0

    finished = harness(project, cache, "status")
    lines = _records(project)
    assert store.is_complete(lines), finished.stdout

    header = lines[0]
    assert len(header["cells"]) == CELLS
    kinds = Counter(line["type"] for line in lines)
    assert kinds["header"] == 1
    once = Counter((line["type"], line["cell_digest"]) for line in lines if line["type"] in ("prepared", "accuracy"))
    assert set(once.values()) == {1}, once
    measured = Counter((line["cell_digest"], line["block"]) for line in lines if line["type"] == "invocation")
    assert set(measured.values()) == {1}, measured
    for cell in header["cells"]:
        assert all((cell["digest"], block) in measured for block in range(BLOCKS)), cell["key"]
    assert kinds["failure"] == 0
    alone = [line for line in lines if line["type"] == "invocation" and "ring" not in line]
    assert len(alone) >= 2, "nothing was measured again"


def test_artefacts_left_by_a_killed_run_are_whole(project, cache):
    folders = [path.parent for path in (cache / "artefacts").rglob("result.json")]
    assert folders
    for folder in folders:
        json.loads((folder / "result.json").read_text())
