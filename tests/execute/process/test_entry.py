"""The child's entry, run for real: what it sets before the stage, and the name that it gives to each exception."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from tests.backend_env import REPOSITORY, environment_python, program_text
from tests.execute.process.stand_ins import entry, is_gone, run

_SEEN = program_text(__file__, "entry_seen")


def test_the_stage_finds_its_cell_its_cores_and_its_limits(tmp_path):
    cores = sorted(os.sched_getaffinity(0))[-1:]
    told = []
    before = time.monotonic_ns()
    outcome = run(entry(tmp_path, _SEEN), tmp_path, cores=cores, memory_limit_bytes=2**30, on_progress=told.append)
    assert outcome.status == "ok", outcome
    age_ns = outcome.values.pop("age_ns")
    assert 0 < age_ns < time.monotonic_ns() - before
    assert outcome.values == {
        "key": "some/cell",
        "protocol": "p",
        "cores": cores,
        "data_limit": [2**30, resource.getrlimit(resource.RLIMIT_DATA)[1]],
        "core_limit": [0, 0],
    }
    assert [(event["stage"], event["done"]) for event in told] == [("measure", 1)]


@pytest.mark.parametrize(
    ("statement", "kind", "words"),
    [
        ("raise StageError('bad_labels', 'label 9 of 2')", "bad_labels", "label 9 of 2"),
        ("import no_such_framework", "import_error", "no_such_framework"),
        ("from os import no_such_name", "import_error", "no_such_name"),
        ("open('/dev/full', 'w', buffering=1).write('x\\n')", "disk_full", "No space left"),
        ("raise RuntimeError('writer: No space left on device (os error 28)')", "disk_full", "os error 28"),
        ("return {'latency_ns': float('nan')}", "nan", "not finite"),
        ("return {'latency_ns': [float('inf')]}", "nan", "not finite"),
        ("raise FloatingPointError('logits: nan')", "nan", "logits"),
        ("bytearray(2**33)", "oom", "MemoryError"),
        ("raise RuntimeError('DefaultCPUAllocator: can\\'t allocate memory: you tried')", "oom", "you tried"),
        ("1 / 0", "error", "ZeroDivisionError: division by zero"),
        ("raise ValueError('first line\\nsecond')", "error", "ValueError: first line"),
        ("raise SystemExit(0)", "error", "SystemExit"),
        ("return {'x': object()}", "error", "TypeError"),
        ("os.kill(os.getpid(), signal.SIGABRT)", "crash", "SIGABRT"),
    ],
)
def test_each_exception_has_its_kind(tmp_path, statement, kind, words):
    body = f"import os, signal\nfrom harness.errors import StageError\ndef run(spec, cell, report):\n    {statement}\n"
    outcome = run(entry(tmp_path, body), tmp_path)
    assert outcome.status == kind, outcome
    assert words in outcome.message
    assert "\n" not in outcome.message
    if kind != "crash":
        assert "Traceback" in outcome.log_tail


def test_any_error_on_a_full_disk_is_the_disks(tmp_path):
    # What a framework's writer says then ("file write failed") does not name the reason. /proc never has room.
    body = "def run(spec, cell, report):\n    raise RuntimeError('file write failed')\n"
    assert run(entry(tmp_path, body), tmp_path, out=str(tmp_path)).status == "error"
    assert run(entry(tmp_path, body), tmp_path, out="/proc").status == "disk_full"


def test_a_full_disk_below_the_log_hides_nothing(tmp_path):
    (tmp_path / "child.log").symlink_to("/dev/full")
    body = "def run(spec, cell, report):\n    print('x', flush=True)\n"
    assert run(entry(tmp_path, body), tmp_path).status == "disk_full"


def test_only_known_stages_are_imported(tmp_path):
    outcome = run(entry(tmp_path, ""), tmp_path, stage="channel")
    assert outcome.status == "error"
    assert "no stage 'channel'" in outcome.message


@pytest.mark.parametrize("cores", [[10**4], []])
def test_cores_that_cannot_be_had_are_a_config_error(tmp_path, cores):
    outcome = run(entry(tmp_path, _SEEN), tmp_path, cores=cores)
    assert outcome.status == "bad_config"
    assert "host.cores" in outcome.message


def test_peak_memory_is_the_childs_own_not_the_parents(tmp_path):
    ballast = bytearray(400 * 2**20)
    body = "def run(spec, cell, report):\n    return {'n': len(bytearray(SIZE))}\n"
    peaks = [run(entry(tmp_path, body.replace("SIZE", str(size))), tmp_path).max_rss_bytes for size in (0, 100 * 2**20)]
    assert peaks[0] < 100 * 2**20 < len(ballast)
    assert peaks[1] - peaks[0] == pytest.approx(100 * 2**20, rel=0.1)


def test_what_a_stage_starts_does_not_get_the_pipe(tmp_path):
    body = """
import os, subprocess, sys

def run(spec, cell, report):
    listed = subprocess.run(["ls", "-l", "/proc/self/fd"], close_fds=False, capture_output=True, text=True).stdout
    return {"own": os.readlink(f"/proc/self/fd/{report._stream.fileno()}"), "listed": listed}
"""
    outcome = run(entry(tmp_path, body), tmp_path)
    assert outcome.values["own"].startswith("pipe:")
    assert outcome.values["own"] not in outcome.values["listed"]


def test_a_killed_parent_takes_the_child_with_it(tmp_path):
    body = f"""
import os, time

def run(spec, cell, report):
    with open({str(tmp_path / "pid.new")!r}, "w") as stream:
        stream.write(str(os.getpid()))
    os.rename({str(tmp_path / "pid.new")!r}, {str(tmp_path / "pid")!r})
    time.sleep(600)
"""
    python = entry(tmp_path, body)
    source = f"""
from pathlib import Path
from tests.execute.process.stand_ins import run
run(Path({str(python)!r}), Path({str(tmp_path)!r}), limit=600)
"""
    parent = subprocess.Popen([sys.executable, "-c", source], cwd=REPOSITORY)
    while not (tmp_path / "pid").exists():
        assert parent.poll() is None
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_a_child_whose_parent_is_gone_already_does_nothing(tmp_path):
    # As if the parent had died between starting the child and the child's first line.
    reading, writing = os.pipe()
    finished = subprocess.run(
        [sys.executable, "-m", "harness.worker", str(writing), "1"],
        pass_fds=(writing,),
        stdin=subprocess.DEVNULL,
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
    )
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == ""
    assert finished.returncode == 1
    assert finished.stderr == b""


@pytest.mark.backend("torch")
def test_torch_works_under_a_limit_and_meets_it_as_oom(tmp_path):
    body = """
import torch

def run(spec, cell, report):
    square = torch.ones(512, 512) @ torch.ones(512, 512)
    report.progress("measure", int(square.sum()), 512**3)
    torch.ones(spec["options"]["bytes"], dtype=torch.uint8)
    return {}
"""
    python = entry(tmp_path, body, environment_python("torch"))
    done = []
    limits = {"memory_limit_bytes": 4 * 2**30}
    fits = run(python, tmp_path, options={"bytes": 2**20}, on_progress=done.append, **limits)
    assert fits.status == "ok", fits
    outcome = run(python, tmp_path, options={"bytes": 6 * 2**30}, on_progress=done.append, **limits)
    assert outcome.status == "oom", outcome
    assert "6442450944 bytes" in outcome.message
    assert [event["done"] for event in done] == [512**3] * 2
