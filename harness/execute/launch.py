"""Runs one stage in a fresh process and returns its outcome, whatever becomes of the process.

Parent and child speak JSON lines over a pipe of their own, so that what a framework prints cannot be taken for a message.
The parent blocks on the pipe; it never polls, for a busy wait would burn a core beside its own benchmark.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import harness
from harness.errors import FAILURE_KINDS
from harness.execute import outofmemory

#: Variables of the parent that reach a child; all others (OMP_*, MKL_*, ONEDNN_*, LD_PRELOAD, PYTHON* ...) are left out,
#: because they would change what is measured without a trace in the records.
PASSED_ON = (
    *("PATH", "HOME", "USER", "TMPDIR", "TZ"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("HF_ENDPOINT", "HF_TOKEN"),
)

#: Seconds between the polite signal to a process group and the one that cannot be refused.
GRACE_SECONDS = 2.0

LOG_TAIL_CHARACTERS = 2000

#: A child that sends more than this without a newline speaks rubbish.
LONGEST_MESSAGE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Outcome:
    """How a child ended. `status` is ``ok`` or one of :data:`harness.errors.FAILURE_KINDS`; resources are the child's."""

    status: str
    message: str
    values: dict[str, Any] = field(default_factory=dict)
    log_tail: str = ""
    max_rss_bytes: int = 0
    wall_seconds: float = 0.0
    user_seconds: float = 0.0
    system_seconds: float = 0.0
    voluntary_switches: int = 0
    involuntary_switches: int = 0


class _Rubbish(Exception):
    """What the child sent is no message."""


def launch(
    python: Path,
    spec: Mapping[str, Any],
    *,
    time_limit_seconds: float,
    log_path: Path,
    variables: Mapping[str, str],
    on_progress: Callable[[dict[str, Any]], None] | None = None,
) -> Outcome:
    """Run ``python -m harness.worker`` on `spec` and return its outcome; the child's process group is gone then.

    Parameters
    ----------
    python : the interpreter of the environment.
    spec : JSON values; see :mod:`harness.worker.__main__`.
    log_path : where the child's standard output and error go.
    variables : the child's environment, beside :data:`PASSED_ON`.
    on_progress : called with each progress message.

    Raises
    ------
    KeyboardInterrupt : passed on after the child's process group has been ended.
    """
    start = time.monotonic()
    reading, writing = os.pipe()
    memory = outofmemory.Watch()
    with log_path.open("ab") as log:
        try:
            process = subprocess.Popen(
                [str(python), "-m", "harness.worker", str(writing), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=_environment(variables),
                pass_fds=(writing,),
                start_new_session=True,
                cwd="/",
            )
        except OSError as error:
            os.close(reading)
            return Outcome("environment", f"{python}: {error.strerror or error}")
        finally:
            os.close(writing)
    last: dict[str, Any] = {}
    ended_by: str | None = None
    try:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(spec, allow_nan=False).encode())
            process.stdin.close()
        for message in _messages(reading, start + time_limit_seconds):
            if message["event"] == "progress" and on_progress is not None:
                on_progress(message)
            elif message["event"] != "progress":
                last = message
                break
    except TimeoutError:
        ended_by = "timeout"
    except _Rubbish as error:
        ended_by, last = "protocol", {"message": str(error)}
    finally:
        os.close(reading)
        # Whatever the reason to stop listening, nothing of the child may go on beside the next measurement.
        usage, status = _end(process, polite=ended_by is None and bool(last), deadline=start + time_limit_seconds)
    tail = _tail(log_path)
    kind, text, values = _verdict(ended_by, last, status, tail, time_limit_seconds, memory, log_path)
    return Outcome(
        status=kind,
        message=text,
        values=values,
        log_tail="" if kind == "ok" else tail,
        max_rss_bytes=usage.ru_maxrss * 1024,
        wall_seconds=time.monotonic() - start,
        user_seconds=usage.ru_utime,
        system_seconds=usage.ru_stime,
        voluntary_switches=usage.ru_nvcsw,
        involuntary_switches=usage.ru_nivcsw,
    )


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    package = str(Path(harness.__file__).resolve().parents[1])
    # Hash randomisation would let the order of sets differ between two runs of the same cell.
    fixed = {"LANG": "C.UTF-8", "PYTHONPATH": package, "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1"}
    return {**passed, **fixed, **variables}


def _messages(reading: int, deadline: float):
    """Yield the child's messages until it closes the pipe; TimeoutError at the deadline."""
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    parts: list[bytes] = []
    size = 0
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise TimeoutError
        chunk = os.read(reading, 2**20)
        if not chunk:
            if parts and b"".join(parts).strip():
                raise _Rubbish("the last message is cut off")
            return
        *whole, rest = chunk.split(b"\n")
        if whole:
            whole[0] = b"".join([*parts, whole[0]])
            parts, size = [], 0
        for line in whole:
            if line.strip():
                yield _decode(line)
        parts.append(rest)
        size += len(rest)
        if size > LONGEST_MESSAGE_BYTES:
            raise _Rubbish(f"a message of over {LONGEST_MESSAGE_BYTES} bytes")


def _decode(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
        events = {"progress": ("stage", "done", "total"), "result": ("values",), "failure": ("kind", "message")}
        if all(name in message for name in events[message["event"]]):
            return message
    except (ValueError, TypeError, KeyError):
        pass
    raise _Rubbish(f"no message of ours: {line[:80]!r}")


def _end(process: subprocess.Popen, *, polite: bool, deadline: float) -> tuple[Any, int]:
    """Reap the child and end its process group; return its resource usage and wait status."""
    if polite:
        # It has said its last word and is on its way out: not a case for signals unless it lingers.
        reaped = _reap(process.pid, min(deadline, time.monotonic() + 10 * GRACE_SECONDS))
    else:
        reaped = _reap(process.pid, time.monotonic() + 0.05)
    for number in (signal.SIGTERM, signal.SIGKILL):
        # Also when the child is gone: what it has started in its group may not be.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        if reaped is None:
            reaped = _reap(process.pid, time.monotonic() + GRACE_SECONDS)
    if reaped is None:
        _, status, usage = os.wait4(process.pid, 0)
        reaped = usage, status
    process.returncode = os.waitstatus_to_exitcode(reaped[1])
    return reaped


def _reap(pid: int, until: float) -> tuple[Any, int] | None:
    """Wait for one child until a moment, by a descriptor that becomes readable when it ends."""
    descriptor = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
            return None
    finally:
        os.close(descriptor)
    _, status, usage = os.wait4(pid, 0)
    return usage, status


def _verdict(
    ended_by: str | None,
    last: dict[str, Any],
    status: int,
    tail: str,
    time_limit_seconds: float,
    memory: outofmemory.Watch,
    log_path: Path,
) -> tuple[str, str, dict[str, Any]]:
    """Return status, message and values from how the child ended and what it said last."""
    if ended_by == "timeout":
        return "timeout", f"no result within {time_limit_seconds:g} s", {}
    if ended_by == "protocol":
        return "protocol", f"rubbish on the pipe: {last['message']}", {}
    if last.get("event") == "result":
        return "ok", "", last["values"]
    if last.get("event") == "failure":
        known = last["kind"] if last["kind"] in FAILURE_KINDS else "error"
        return known, str(last["message"]), {}
    code = os.waitstatus_to_exitcode(status)
    if outofmemory.said(tail) or (code == -signal.SIGKILL and memory.killed()):
        return "oom", "ended for want of memory; protocol.memory_limit_bytes or a smaller batch size may help", {}
    if code < 0:
        return "crash", f"died by {signal.Signals(-code).name}; see {log_path}", {}
    if "ModuleNotFoundError" in tail or "ImportError" in tail:
        return "import_error", _last_line(tail), {}
    return "crash", f"exit {code} without a result; see {log_path}", {}


def _tail(path: Path) -> str:
    with contextlib.suppress(OSError), path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - LOG_TAIL_CHARACTERS))
        return stream.read().decode(errors="replace")
    return ""


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
