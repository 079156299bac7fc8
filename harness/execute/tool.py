"""Runs a tool such as pip to its end, passes on what it says line by line, and names why it failed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
    *("UV_TARGET", "UV_PREFIX", "UV_PYTHON", "UV_BREAK_SYSTEM_PACKAGES"),
)

_KEPT_LINES = 200

#: Words of pip or apt that tell the kind of a failure.
_FULL = ("No space left on device", "Disk quota exceeded")
_OTHER_BYTES = ("DO NOT MATCH THE HASHES",)
_NETWORK = (
    *("NewConnectionError", "ConnectionError", "Connection refused", "Connection timed out", "Max retries exceeded"),
    *("Temporary failure", "Network is unreachable", "ReadTimeout", "ConnectTimeout", "ProxyError", "SSLError"),
    *("Could not connect", "Could not resolve"),
)
_NO_PACKAGE = ("No matching distribution", "Unable to locate package", "' was not found", "HTTP error 404")

#: Lines that begin with ERROR and say nothing.
_EMPTY_ERRORS = ("ERROR: ResolutionImpossible",)


@dataclass(frozen=True)
class Finished:
    """How a tool ended: its exit status (negative: a signal's number) and the last lines that it has printed."""

    code: int
    lines: tuple[str, ...]


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] = lambda line: None,
) -> Finished:
    """Run a tool; it and what it has started are ended with this process, and by an exception such as an interrupt.

    The tool sees the person's environment (indexes, proxies, certificates), but no PYTHON* variable: PYTHONPATH would
    let packages of the parent into an environment.
    """
    left_out = [name for name in os.environ if name.startswith("PYTHON") or name in _ELSEWHERE]
    own = {"PYTHONUNBUFFERED": "1", "PIP_USER": "0", "PIP_NO_INPUT": "1", "LC_ALL": "C.UTF-8", **(variables or {})}
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *map(str, command)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={name: value for name, value in os.environ.items() if name not in left_out} | own,
        cwd=cwd,
        start_new_session=True,
    )
    lines: list[str] = []
    try:
        for line in process.stdout:
            on_line(line)
            lines = [*lines[1 - _KEPT_LINES :], line.rstrip()]
        process.wait()
    finally:
        # The tool itself is gone here, unless an exception came up.
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
    return Finished(process.returncode, tuple(lines))


def why(finished: Finished) -> tuple[str, str]:
    """Return the kind of a failure (one of those that a build or a download can have) and the line that decides it."""
    lines = [line.strip() for line in finished.lines if line.strip()]
    for kind, words in (("disk_full", _FULL), ("damaged", _OTHER_BYTES)):
        if telling := _with(lines, words):
            return kind, _shown(telling[-1])
    network, missing = _with(lines, _NETWORK), _with(lines, _NO_PACKAGE)
    # A warning of a failed connection alone does not count: pip tries again, and may have failed for another reason.
    if network and (missing or not all(line.startswith("WARNING") for line in network)):
        return "no_network", _shown(re.sub(r".*object at 0x\w+>: (.*?)'?\)'.*", r"cannot be reached: \1", network[-1]))
    if missing:
        return "no_package", _shown(missing[-1])
    return "environment", _shown(_decisive(lines, finished.code))


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
    return line[:300]
