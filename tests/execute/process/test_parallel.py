"""Several real children at once: let go together, pinned apart, and none left behind whatever one of them does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.execute.process.request import ChildError, Children
from tests.execute.process.stand_ins import cell, entry, is_gone, this_host

#: A stage that leaves a grandchild behind, tells of both, and waits at the gate; `before` and `after` may misbehave.
_STAGE = """
import fcntl, os, pathlib, signal, subprocess, time

def run(spec, cell, report):
    options = spec["options"]
    place, folder = options["instance"], pathlib.Path(options["folder"])
    grandchild = subprocess.Popen(["sleep", "600"])
    (folder / f"{{place}}.pids").write_text(f"{{os.getpid()}} {{grandchild.pid}}")
    # One that fails at once must not end the other before it has told of its grandchild.
    while sum(len(path.read_text().split()) for path in folder.glob("*.pids")) < 4:
        time.sleep(0.01)
    {before}
    time.sleep(0.3 * place)
    ready_ns = time.monotonic_ns()
    with open(options["gate"]) as gate:
        report.ready()
        fcntl.flock(gate, fcntl.LOCK_SH)
        begin_ns = time.monotonic_ns()
    {after}
    return {{"ready_ns": ready_ns, "begin_ns": begin_ns, "cores": sorted(os.sched_getaffinity(0)),
             "threads": spec["threads"], "memory": spec["memory_limit_bytes"], "long": "x" * 300_000}}
"""

CORES = sorted(os.sched_getaffinity(0))
TWO = [CORES[:1], CORES[-1:]]


def _run(folder: Path, before: str = "pass", after: str = "pass") -> list:
    python = entry(folder, _STAGE.format(before=before, after=after))
    children = Children({"e": python}, this_host(CORES), 4 * 2**30, folder / "logs", folder / "cache")
    options = {"folder": str(folder)}
    outcomes = children.run_together(
        "measure", cell(), environment="e", inputs={}, pins=TWO, gate=folder / "gate", options=options
    )
    return [outcome.values for outcome in outcomes]


def _pids(folder: Path) -> list[int]:
    return [int(pid) for path in folder.glob("*.pids") for pid in path.read_text().split()]


def test_children_are_pinned_apart_and_let_go_when_the_last_is_ready(tmp_path):
    first, second = _run(tmp_path)
    assert [first["cores"], second["cores"]] == TWO
    assert first["threads"] == second["threads"] == 1
    assert first["memory"] + second["memory"] <= 4 * 2**30
    assert min(first["begin_ns"], second["begin_ns"]) >= max(first["ready_ns"], second["ready_ns"])
    assert len(_pids(tmp_path)) == 4 and all(is_gone(pid) for pid in _pids(tmp_path))


@pytest.mark.parametrize(
    ("before", "after", "kind", "words"),
    [
        ("", "if place == 1: os.kill(os.getpid(), signal.SIGKILL)", "crash", "instance 2 of 2: died by SIGKILL"),
        ("if place == 1: os.kill(os.getpid(), signal.SIGKILL)", "", "crash", "instance 2 of 2: died by SIGKILL"),
        ("if place == 0: raise MemoryError('too large')", "", "oom", "instance 1 of 2: .*too large"),
        ("if place == 1: import no_such_framework", "", "import_error", "instance 2 of 2: .*no_such_framework"),
        ("", "if place == 0: raise FloatingPointError('logits')", "nan", "instance 1 of 2: .*logits"),
    ],
    ids=["killed at work", "killed before", "out of memory", "no import", "not finite"],
)
def test_one_that_fails_is_named_and_no_process_is_left(tmp_path, before, after, kind, words):
    with pytest.raises(ChildError, match=words) as caught:
        _run(tmp_path, before or "pass", after or "pass")
    assert caught.value.kind == kind
    pids = _pids(tmp_path)
    assert len(pids) == 4 and all(is_gone(pid) for pid in pids)


def test_a_python_that_is_not_there_is_an_environment_that_fails(tmp_path):
    children = Children({"e": tmp_path / "none"}, this_host(CORES), 2**30, tmp_path / "logs", tmp_path / "cache")
    with pytest.raises(ChildError, match="instance 1 of 2") as caught:
        children.run_together("measure", cell(), environment="e", inputs={}, pins=TWO, gate=tmp_path / "gate")
    assert caught.value.kind == "environment"


def test_an_interruption_ends_them_all(tmp_path, monkeypatch):
    from harness.execute.process import parallel

    heard = parallel.Running.listen
    seen = []

    def interrupted(self, *arguments):
        seen.append(heard(self, *arguments))
        if len(seen) == 2:  # both are ready
            raise KeyboardInterrupt
        return seen[-1]

    monkeypatch.setattr(parallel.Running, "listen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path)
    pids = _pids(tmp_path)
    assert len(pids) == 4 and all(is_gone(pid) for pid in pids)
