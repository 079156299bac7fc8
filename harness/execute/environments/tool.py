"""Runs a tool such as uv or pip to its end, passes on what it says line by line, and names why it failed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Has the kernel end the tool when this process dies (prctl(2), PR_SET_PDEATHSIG), then becomes the tool. Without it a
#: tool would outlive a killed harness and write into a folder that the next one is making anew.
_TIED = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""

#: Settings of pip and uv that would send the packages elsewhere than into the environment; all others are respected.
_ELSEWHERE = (
    *("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON"),
    *("UV_TARGET", "UV_PREFIX", "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_BREAK_SYSTEM_PACKAGES", "UV_WORKING_DIR"),
)

_KEPT_LINES = 200

#: Words of pip, apt or uv that tell the kind of a failure.
_FULL = ("No space left on device", "Disk quota exceeded")
_OTHER_BYTES = ("DO NOT MATCH THE HASHES", "Hash mismatch for")
_NETWORK = (
    *("NewConnectionError", "ConnectionError", "Connection refused", "Connection timed out", "Max retries exceeded"),
    *("Temporary failure", "Network is unreachable", "ReadTimeout", "ConnectTimeout", "ProxyError", "SSLError"),
    *("Could not connect", "Could not resolve"),
)
_NO_PACKAGE = ("No matching distribution", "Unable to locate package", "' was not found", "HTTP error 404")

#: Words of uv alone, in what has made its request fail and in why nothing fits the pins.
_UV_NETWORK = ("Failed to fetch", "Request failed after", "network timeout")
_UV_OFFLINE = ("the network was disabled",)
_UV_NO_PACKAGE = re.compile(r"Because (there (is|are) no versions? of|\S+ (was not found in|has no ))")

#: Lines that begin with ERROR and say nothing.
_EMPTY_ERRORS = ("ERROR: ResolutionImpossible",)


@dataclass(frozen=True)
class Finished:
    """How a tool ended: its exit status (negative: a signal's number) and the last lines that it has printed."""

    code: int
    lines: tuple[str, ...]


class Stopped(Exception):
    """A tool was ended by :meth:`Tools.stop`, or was not begun after it."""


class Tools:
    """The tools that several threads run, so that an interrupt of the main thread can end all of them at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def begin(self, command: Sequence[str], **more: Any) -> subprocess.Popen[str]:
        """Begin a process that leads a session of its own, as ``subprocess.Popen`` does.

        Raises
        ------
        Stopped : none is begun any more.
        """
        with self._lock:
            self.require_going()
            process = subprocess.Popen(command, start_new_session=True, text=True, **more)
            self._running.add(process)
            return process

    def end(self, process: subprocess.Popen[str]) -> None:
        """End a process of :meth:`begin` and what it has started, where it has not ended by itself."""
        with self._lock:
            self._running.discard(process)
        if process.returncode is None:
            _kill(process)
            process.wait()

    def stop(self) -> None:
        """End all processes, and begin none any more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                _kill(process)

    def require_going(self) -> None:
        """Raise Stopped after :meth:`stop`."""
        if self._stopped:
            raise Stopped


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] = lambda line: None,
    tools: Tools | None = None,
) -> Finished:
    """Run a tool; it and what it has started are ended with this process, and by an exception such as an interrupt.

    The tool sees the person's environment (indexes, proxies, certificates), but no PYTHON* variable: PYTHONPATH would
    let packages of the parent into an environment.

    Parameters
    ----------
    tools : those that are to be ended together with this one.

    Raises
    ------
    Stopped : `tools` were stopped.
    """
    tools = tools or Tools()
    left_out = [name for name in os.environ if name.startswith("PYTHON") or name in _ELSEWHERE]
    own = {"PYTHONUNBUFFERED": "1", "PIP_USER": "0", "PIP_NO_INPUT": "1", "LC_ALL": "C.UTF-8", **(variables or {})}
    # The kernel ends the tool also with the thread that has begun it: this one, which waits for it here.
    process = tools.begin(
        [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *map(str, command)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        errors="replace",
        env={name: value for name, value in os.environ.items() if name not in left_out} | own,
        cwd=cwd,
    )
    assert process.stdout is not None, "it was begun with a pipe"
    lines: list[str] = []
    try:
        for line in process.stdout:
            on_line(line)
            lines = [*lines[1 - _KEPT_LINES :], line.rstrip()]
        process.wait()
    finally:
        tools.end(process)
        process.stdout.close()
    tools.require_going()
    return Finished(process.returncode, tuple(lines))


def why(finished: Finished) -> tuple[str, str]:
    """Return the kind of a failure (one of those that a build or a download can have) and the line that decides it."""
    lines = [line.strip() for line in finished.lines if line.strip()]
    for kind, words in (("disk_full", _FULL), ("damaged", _OTHER_BYTES)):
        if telling := _with(lines, words):
            return kind, _shown(telling[-1])
    if causes := _causes_of_uv(lines):
        return _why_of_uv(causes, lines)
    network, missing = _with(lines, _NETWORK), _with(lines, _NO_PACKAGE)
    # A warning of a failed connection alone does not count: pip tries again, and may have failed for another reason.
    if network and (missing or not all(line.startswith("WARNING") for line in network)):
        return "no_network", _shown(re.sub(r".*object at 0x\w+>: (.*?)'?\)'.*", r"cannot be reached: \1", network[-1]))
    if missing:
        return "no_package", _shown(missing[-1])
    return "environment", _shown(_decisive(lines, finished.code))


def _causes_of_uv(lines: Sequence[str]) -> list[list[str]]:
    """Return what uv says of its failure, as lines: the error, then each cause of it; none for another tool."""
    begin = next((number for number, line in reversed([*enumerate(lines)]) if line.startswith("error: ")), len(lines))
    end = next((number for number, line in enumerate(lines) if line.startswith("hint: ") and number > begin), None)
    causes: list[list[str]] = []
    for line in lines[begin:end]:
        if line.startswith(("error: ", "cause: ")):
            causes.append([line.partition(": ")[2]])
        else:
            causes[-1].append(line)
    return causes if len(causes) > 1 else []


def _why_of_uv(causes: list[list[str]], lines: Sequence[str]) -> tuple[str, str]:
    first = [cause[0] for cause in causes]
    if telling := _with(first, _UV_NETWORK):
        kind = "no_package" if "(404 Not Found)" in " ".join(first) else "no_network"
        return kind, _shown(" ".join(dict.fromkeys((telling[-1], first[-1]))))
    if first[0].startswith("No solution found"):
        kind = "no_package" if _UV_NO_PACKAGE.match(first[1]) else "environment"
        return "no_network" if _with(lines, _UV_OFFLINE) else kind, _shown(" ".join(causes[1]))
    if match := re.match(r"Failed to build `(.*)`", first[0]):
        return "environment", _shown(f"{causes[-1][-1]} ({match[1]})")
    return "environment", _shown(f"{first[0]}: {first[-1]}")


def _kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _with(lines: Sequence[str], words: Sequence[str]) -> list[str]:
    return [line for line in lines if any(word in line for word in words)]


def _decisive(lines: Sequence[str], code: int) -> str:
    """Return the line that says what went wrong: of a package's own build where that has failed, else pip's."""
    for number, line in enumerate(lines[1:], 1):
        if line == "[end of output]":
            what = [line for line in lines[:number] if line.startswith(("Collecting ", "Processing "))]
            return f"{lines[number - 1]} ({what[-1]})" if what else lines[number - 1]
    missing = [line for line in lines if "No module named" in line or "ensurepip is not" in line]
    errors = [line for line in lines if re.match(r"(ERROR|error|E): ", line) and not line.startswith(_EMPTY_ERRORS)]
    return next(iter([*reversed(missing), *reversed(errors), *reversed(lines)]), f"exit {code} without a word")


def _shown(line: str) -> str:
    return line.removeprefix("cause: ")[:300]
