"""What the real pip, uv and apt say when they fail gets the right kind, and one line that says what was wrong."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.execute.environments import installer
from harness.execute.environments.tool import Finished, Stopped, Tools, run, why
from tests.backend_env import REPOSITORY
from tests.execute.environments.wheels import only_wheels_of, write_source_distribution, write_wheel
from tests.execute.process.stand_ins import is_gone

_BROKEN = "def get_requires_for_build_wheel(settings=None):\n    raise RuntimeError('no compiler')\n"


@pytest.fixture
def wheels(tmp_path, monkeypatch) -> Path:
    """Have pip know one folder of packages and nothing else."""
    only_wheels_of(tmp_path / "wheels", monkeypatch)
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


@pytest.fixture
def uv(tmp_path, wheels):
    """Return a function that has the real uv install pins into an environment of its own, and says why it failed."""
    uv, cache = installer.choose().uv, tmp_path / "cache"
    assert run([uv, "venv", "--quiet", "--cache-dir", cache, "--python", sys.executable, tmp_path / "own"]).code == 0

    def why_not(*wanted: str, **variables: str) -> tuple[str, str]:
        command = [uv, "pip", "install", "--no-progress", "--python", tmp_path / "own" / "bin" / "python"]
        finished = run([*command, "--cache-dir", cache, *wanted], variables=variables, cwd=tmp_path)
        assert finished.code != 0
        return why(finished)

    return why_not


@pytest.mark.parametrize(
    ("wanted", "kind", "line"),
    [
        (
            ["tiny_two==7.0"],
            "no_package",
            "Because there is no version of tiny-two==7.0 and you require tiny-two==7.0, we can conclude that your "
            "requirements are unsatisfiable.",
        ),
        (
            ["absent==1.0"],
            "no_package",
            "Because absent was not found in the provided package locations and you require absent==1.0, we can "
            "conclude that your requirements are unsatisfiable.",
        ),
        (
            ["broken==1.0", "--only-binary", "broken"],
            "no_package",
            "Because broken==1.0 has no usable wheels and you require broken==1.0, we can conclude that your "
            "requirements are unsatisfiable.",
        ),
        (
            ["tiny_picky==1.0", "tiny_two==2.0"],
            "environment",
            "Because all versions of tiny-picky depend on tiny-two==9 and you require tiny-picky==1.0, we can conclude "
            "that you require tiny-two==9. And because you require tiny-two==2.0, we can conclude that your "
            "requirements are unsatisfiable.",
        ),
        (["broken==1.0"], "environment", "RuntimeError: no compiler (broken==1.0)"),
    ],
)
def test_uvs_failures(wheels, uv, wanted, kind, line):
    assert uv("--no-index", "--find-links", wheels, *wanted) == (kind, line)


def test_uvs_other_bytes_than_those_of_the_lock(tmp_path, wheels, uv):
    (tmp_path / "lock.txt").write_text(f"tiny_two==2.0 --hash=sha256:{'0' * 64}\n")
    told = uv("--no-index", "--find-links", wheels, "-r", tmp_path / "lock.txt")
    assert told == ("damaged", "Hash mismatch for `tiny-two==2.0`")


def test_uvs_registry_that_cannot_be_reached(uv):
    index = ("--default-index", "http://127.0.0.1:9/simple", "absent==1.0")
    line = "Failed to fetch: http://127.0.0.1:9/simple/absent/ Connection refused (os error 111)"
    assert uv(*index, UV_HTTP_RETRIES="0") == ("no_network", line)
    assert uv(*index, UV_HTTP_RETRIES="1") == ("no_network", line)
    kind, line = uv(*index, UV_OFFLINE="1")
    assert kind == "no_network"
    assert "absent was not found in the cache" in line


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
        # Printed by uv 0.13.
        (
            [
                "error: Failed to install: torch.whl (torch==2.8.0)",
                "  cause: No space left on device (os error 28)",
            ],
            "disk_full",
            "No space left on device (os error 28)",
        ),
        (
            [
                "error: Failed to download `torch==2.8.0`",
                "  cause: Failed to fetch: https://x.invalid/torch-2.8.0.whl",
                "  cause: HTTP status client error (404 Not Found) for url (https://x.invalid/torch-2.8.0.whl)",
            ],
            "no_package",
            "Failed to fetch: https://x.invalid/torch-2.8.0.whl HTTP status client error (404 Not Found) for url "
            "(https://x.invalid/torch-2.8.0.whl)",
        ),
        (["error: File not found: /x/constraints.txt"], "environment", "error: File not found: /x/constraints.txt"),
        (
            ["error: Failed to read `--find-links` directory: /x", "  cause: No such file or directory (os error 2)"],
            "environment",
            "Failed to read `--find-links` directory: /x: No such file or directory (os error 2)",
        ),
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
    theirs |= {"UV_LINK_MODE": "copy", "UV_NO_BINARY_PACKAGE": "x"}
    harmful = {"PIP_TARGET": "/elsewhere", "PIP_PYTHON": "/elsewhere", "PYTHONPATH": "/elsewhere", "PIP_USER": "1"}
    harmful |= {name: "/elsewhere" for name in ("UV_TARGET", "UV_PREFIX", "UV_PYTHON", "UV_WORKING_DIR")}
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


def test_stopping_ends_what_other_threads_run_and_lets_nothing_begin():
    tools, pids, outcomes = Tools(), queue.Queue(), queue.Queue()

    def work() -> None:
        try:
            outcomes.put(run(["sh", "-c", "sleep 600 & echo $$ $!; wait"], on_line=pids.put, tools=tools))
        except Stopped as stopped:
            outcomes.put(stopped)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    running = [int(pid) for _ in threads for pid in pids.get(timeout=60).split()]
    tools.stop()
    for thread in threads:
        thread.join(timeout=60)
    assert len(running) == 4
    assert all(is_gone(pid) for pid in running)
    assert [type(outcomes.get_nowait()) for _ in threads] == [Stopped, Stopped]
    with pytest.raises(Stopped):
        run(["true"], tools=tools)
    assert run(["true"]).code == 0


def test_a_killed_harness_takes_its_tool_with_it():
    source = (
        "from harness.execute.environments.tool import run\nrun(['sh', '-c', 'echo $$; exec sleep 600'], on_line=print)"
    )
    variables = {**os.environ, "PYTHONUNBUFFERED": "1"}
    parent = subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=variables
    )
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert is_gone(pid)
