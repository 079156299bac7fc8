"""What the real pip and apt say when they fail gets the right kind, and one line that says what was wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.execute.tool import Finished, run, why
from tests.backend_env import REPOSITORY
from tests.execute.stand_ins import is_gone
from tests.execute.wheels import write_source_distribution, write_wheel

_BROKEN = "def get_requires_for_build_wheel(settings=None):\n    raise RuntimeError('no compiler')\n"


@pytest.fixture
def wheels(tmp_path, monkeypatch) -> Path:
    """Have pip know one folder of packages and nothing else."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    write_wheel(tmp_path / "wheels", "tiny_two", "2.0", {"tiny_two.py": ""})
    write_wheel(tmp_path / "wheels", "tiny_picky", "1.0", {}, requires=("tiny_two==9",))
    write_source_distribution(tmp_path / "wheels", "broken", "1.0", _BROKEN, {})
    return tmp_path / "wheels"


@pytest.mark.parametrize(
    ("wanted", "kind", "line"),
    [
        (["tiny_two==7.0"], "no_package", "ERROR: No matching distribution found for tiny_two==7.0"),
        (
            ["tiny_picky==1.0", "tiny_two==2.0"],
            "environment",
            "ERROR: Cannot install tiny-picky==1.0 and tiny_two==2.0 because these package versions have conflicting "
            "dependencies.",
        ),
        (["broken==1.0"], "environment", "RuntimeError: no compiler (Processing ./wheels/broken-1.0.tar.gz)"),
    ],
)
def test_pips_failures(tmp_path, wheels, wanted, kind, line):
    finished = run([sys.executable, "-m", "pip", "download", *wanted], cwd=tmp_path)
    assert finished.code != 0
    assert why(finished) == (kind, line)


def test_a_registry_that_cannot_be_reached(tmp_path, wheels, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    finished = run([sys.executable, "-m", "pip", "download", "tiny_absent==1.0"], cwd=tmp_path)
    kind, line = why(finished)
    assert kind == "no_network"
    assert line.startswith("cannot be reached: Failed to establish a new connection: [Errno 111] Connection refused")


@pytest.mark.parametrize(
    ("lines", "kind", "line"),
    [
        # Printed by pip 23.2 and 24.2, apt 2.6 and CPython's venv.
        (
            ["ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", ""],
            "disk_full",
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
        ),
        (["E: Unable to locate package hullo"], "no_package", "E: Unable to locate package hullo"),
        (["E: Version '0' for 'hello' was not found"], "no_package", "E: Version '0' for 'hello' was not found"),
        (
            ["E: Failed to fetch http://x.invalid/h.deb  Temporary failure resolving 'x.invalid'"],
            "no_network",
            "E: Failed to fetch http://x.invalid/h.deb  Temporary failure resolving 'x.invalid'",
        ),
        (
            ["WARNING: Retrying (...) after connection broken by 'NewConnectionError(...)'", "ERROR: Cannot install a"],
            "environment",
            "ERROR: Cannot install a",
        ),
        (
            ["The virtual environment was not created successfully because ensurepip is not", "available.", "x"],
            "environment",
            "The virtual environment was not created successfully because ensurepip is not",
        ),
        (["/usr/bin/python3: No module named pip"], "environment", "/usr/bin/python3: No module named pip"),
        ([], "environment", "exit 3 without a word"),
    ],
)
def test_other_failures(lines, kind, line):
    assert why(Finished(3, tuple(lines))) == (kind, line)


def test_lines_are_passed_on_and_the_last_ones_kept():
    told = []
    finished = run([sys.executable, "-c", "for i in range(1000): print(i)\nraise SystemExit(4)"], on_line=told.append)
    assert told == [f"{number}\n" for number in range(1000)]
    assert finished.code == 4
    assert finished.lines == tuple(str(number) for number in range(800, 1000))


def test_a_tool_sees_the_persons_settings_but_not_those_that_would_misplace_packages(monkeypatch):
    theirs = {"PIP_INDEX_URL": "http://x.invalid", "https_proxy": "http://proxy.invalid"}
    harmful = {"PIP_TARGET": "/elsewhere", "PIP_PYTHON": "/elsewhere", "PYTHONPATH": "/elsewhere", "PIP_USER": "1"}
    for name, value in (theirs | harmful).items():
        monkeypatch.setenv(name, value)
    printed = run([sys.executable, "-c", "import os; print(dict(os.environ))"], variables={"OWN": "1"}).lines[-1]
    assert all(f"{name!r}: {value!r}" in printed for name, value in (theirs | {"OWN": "1", "PIP_USER": "0"}).items())
    assert "/elsewhere" not in printed


def test_an_exception_of_ours_ends_the_tool_and_what_it_has_started():
    pids = []

    def interrupt(line: str) -> None:
        pids.extend(int(word) for word in line.split())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(["sh", "-c", "sleep 600 & echo $$ $!; wait"], on_line=interrupt)
    assert len(pids) == 2
    assert all(is_gone(pid) for pid in pids)


def test_a_killed_harness_takes_its_tool_with_it():
    source = "from harness.execute.tool import run\nrun(['sh', '-c', 'echo $$; exec sleep 600'], on_line=print)"
    variables = {**os.environ, "PYTHONUNBUFFERED": "1"}
    parent = subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=variables
    )
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert is_gone(pid)
