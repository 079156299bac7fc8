"""Faults from outside: writers that are killed at random moments, and disks that fill up."""

from __future__ import annotations

import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.errors import StageError
from harness.results import store
from tests.results.records import sample_records

#: Goes on with a run for ever; says how many records it knows to be on the disk.
ENDLESS = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.results.records import sample_records
from harness.results import store
path = Path(sys.argv[1])
with store.RunWriter.resume(path) as writer:
    count = len(store.read_run(path))
    print(count, flush=True)
    while True:
        writer.append(sample_records.invocation(block=count, iterations=1 if count % 2 else 20_000))
        count += 1
        print(count, flush=True)
"""

#: Fills a disk of 300 kB; prints what happened to big records and then to a small one.
FILLING = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.results.records import sample_records
from harness.errors import StageError
from harness.results import store
root = Path(sys.argv[1])
if sys.argv[3] == "limit":
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
with store.RunWriter.create(root, sample_records.header()) as writer:
    written = 1
    for attempt in range(100):
        try:
            writer.append(sample_records.invocation(block=written, iterations=2_000))
        except StageError as error:
            size = writer.path.stat().st_size
            assert writer.path.read_bytes().endswith(b"\\n")
            assert len(store.read_run(writer.path)) == written
            print(written, size, error.kind, error.message)
            break
        written += 1
    writer.append(sample_records.failure())
    assert store.read_run(writer.path)[-1]["type"] == "failure"
    try:
        store.save_environment(root, "torch", "ab12", "x" * 400_000)
    except StageError as error:
        print(error.kind)
    assert os.listdir(root / "environments") == []
"""

HERE = str(Path(__file__).parent)


@pytest.mark.slow
def test_a_writer_that_is_killed_at_any_moment_loses_at_most_one_record(tmp_path: Path) -> None:
    with store.RunWriter.create(tmp_path, sample_records.header()) as writer:
        path = writer.path
    generator = random.Random(0)
    known = 1
    for _ in range(6):
        process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(path), HERE], stdout=subprocess.PIPE, text=True)
        begun = process.stdout.readline()
        assert int(begun) in (known, known + 1)
        time.sleep(generator.uniform(0, 0.08))
        process.send_signal(signal.SIGKILL)
        said = [int(line) for line in process.stdout if line.endswith("\n")]
        assert process.wait() == -signal.SIGKILL
        known = max([int(begun), *said])
        lines = store.read_run(path)
        assert len(lines) in (known, known + 1)
        assert [line["block"] for line in lines[1:]] == list(range(1, len(lines)))
        known = len(lines)
    assert known > 6
    with store.RunWriter.resume(path) as writer:
        writer.append(sample_records.end())
    assert store.is_complete(store.read_run(path))


def may_mount() -> bool:
    """Say whether this process may mount a small disk in a namespace of its own."""
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs -o size=64k tmpfs /tmp"]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.parametrize("way", ["limit", "disk"] if may_mount() else ["limit"])
def test_a_full_disk_tears_no_line_and_has_a_name(tmp_path: Path, way: str) -> None:
    command = [sys.executable, "-c", FILLING, str(tmp_path), HERE, way]
    if way == "disk":
        mount = 'mount -t tmpfs -o size=300k tmpfs "$0" && exec "$@"'
        command = ["unshare", "-rm", "sh", "-c", mount, str(tmp_path), *command]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    first, second = finished.stdout.splitlines()
    written, size, kind, message = first.split(maxsplit=3)
    assert int(written) > 2 and int(size) > 150_000
    assert kind == second == "disk_full"
    assert f"{sample_records.RUN}.jsonl" in message and "free some space" in message


def test_a_run_that_cannot_begin_leaves_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(StageError) as raised:
            store.RunWriter.create(tmp_path, sample_records.header())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert raised.value.kind == "disk_full"
    assert list((tmp_path / "runs").iterdir()) == []
    store.RunWriter.create(tmp_path, sample_records.header()).close()
