"""Runs one stage in a fresh process and returns its outcome, whatever becomes of the process.

Parent and child speak JSON lines over a pipe of their own, so that what a framework prints is not taken for a message.
The parent blocks on the pipe; it never polls, for a busy wait would burn a core beside its own benchmark.
Needs Linux 5.3 or newer (a process's end as a descriptor).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from harness import registry
from harness.errors import FAILURE_KINDS
from harness.execute.process.alone import alone
from harness.execute.process.import_closure import PACKAGE
from harness.ipc import oom
from harness.ipc.messages import Heard, listen

#: Variables of the parent that reach a child; all others (OMP_*, MKL_*, ONEDNN_*, LD_PRELOAD, PYTHON*) are left out,
#: because they would change what is measured without a trace in the records.
PASSED_ON = (
    *("PATH", "HOME", "USER", "TMPDIR", "TZ"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("HF_ENDPOINT", "HF_TOKEN"),
)

#: What every child gets besides. Hash randomisation would let the order of sets differ between two runs of one cell,
#: and packages in the user's own site folder would hide the pinned ones.
FIXED = {"LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1", "PYTHONNOUSERSITE": "1"}

#: Seconds between the polite signal to a process group and the one that cannot be refused.
GRACE_SECONDS = 2.0

#: Seconds that a child which has said its last word may take to end.
FAREWELL_SECONDS = 20.0

LOG_TAIL_CHARACTERS = 2000


@dataclass(frozen=True)
class Outcome:
    """How a child ended. `status` is ``ok`` or one of :data:`harness.errors.FAILURE_KINDS`; resources are the child's.

    `max_rss_bytes` is what the child has read of itself at its end (VmHWM). Only for one that could not tell is it the
    kernel's ``ru_maxrss``, which on Linux is never below the parent's own peak: fork and exec hand it down.
    """

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


def launch(
    python: Path,
    spec: Mapping[str, Any],
    *,
    time_limit_seconds: float,
    log_path: Path,
    variables: Mapping[str, str],
    on_message: Callable[[dict[str, Any]], None] | None = None,
    emulator: Sequence[str] = (),
) -> Outcome:
    """Run ``python -m harness.worker`` on `spec` and return its outcome; the child's process group is gone then.

    To be called from the main thread: the kernel ends the child when the thread that has started it ends.

    Parameters
    ----------
    python : the interpreter of the environment.
    spec : JSON values; see :mod:`harness.worker.__main__`.
    time_limit_seconds : counted from this call; then the child's whole process group is ended.
    log_path : where the child's standard output and error go, after what is there.
    variables : the child's environment, beside :data:`PASSED_ON` and :data:`FIXED`.
    on_message : called with each message before the last: progress, and the trials of a tuning.
    emulator : the words before `python` that have it run on another CPU (:func:`harness.config.emulation.prefix`). Its
        memory has no limit but the host's then.

    Raises
    ------
    KeyboardInterrupt : passed on after the child's process group has been ended.
    """
    running = begin(
        python,
        spec,
        time_limit_seconds=time_limit_seconds,
        log_path=log_path,
        variables=variables,
        emulator=emulator,
    )
    if isinstance(running, Outcome):
        return running
    heard = Heard("ended")
    try:
        heard = running.listen(on_message or (lambda message: None))
    finally:
        # Whatever the reason to stop listening, nothing of the child may go on beside the next measurement.
        outcome = close(running, heard)
    return outcome


@dataclass(frozen=True)
class Running:
    """A child that was started and has not been closed yet; `reading` is its pipe, `ended` its end as a descriptor."""

    process: subprocess.Popen[bytes]
    reading: int
    ended: int
    log_path: Path
    log_start: int
    start: float
    time_limit_seconds: float
    memory: oom.Watch

    def listen(
        self, on_message: Callable[[dict[str, Any]], None], until: tuple[str, ...] = ("result", "failure")
    ) -> Heard:
        """Listen as :func:`harness.ipc.messages.listen` does, until the time limit."""
        return listen(self.reading, self.ended, self.start + self.time_limit_seconds, on_message, until)


def begin(
    python: Path,
    spec: Mapping[str, Any],
    *,
    time_limit_seconds: float,
    log_path: Path,
    variables: Mapping[str, str],
    emulator: Sequence[str] = (),
) -> Running | Outcome:
    """Start a child as :func:`launch` does, to be closed by :func:`close`; an outcome when it cannot be started."""
    start = time.monotonic()
    content = json.dumps(spec, allow_nan=False).encode()
    memory = oom.Watch()
    reading, writing = os.pipe()
    try:
        with log_path.open("ab") as log, _file_of(content) as standard_input:
            log_start = log.tell()  # other invocations of the same cell may have written before
            process = subprocess.Popen(
                [*emulator, str(python), "-m", "harness.worker", str(writing), str(os.getpid())],
                stdin=standard_input,
                stdout=log,
                stderr=log,
                env=_environment(variables),
                pass_fds=(writing,),
                start_new_session=True,
                cwd="/",
            )
    except OSError as error:
        os.close(reading)
        kind = "disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "environment"
        return Outcome(kind, f"{error.filename or python}: {error.strerror or error}")
    finally:
        os.close(writing)
    ended = os.pidfd_open(process.pid)
    return Running(process, reading, ended, log_path, log_start, start, time_limit_seconds, memory)


def close(running: Running, heard: Heard) -> Outcome:
    """End the child and all in its process group, if they have not ended, and return its outcome."""
    has_spoken = heard.reason == "message" and heard.last["event"] in ("result", "failure")
    try:
        usage, status = _end(running.process, running.ended, FAREWELL_SECONDS if has_spoken else 0.0)
    finally:
        os.close(running.reading)
        os.close(running.ended)
    tail = _tail(running.log_path, running.log_start)
    kind, text, values = _verdict(heard, status, tail, running.time_limit_seconds, running.memory)
    if kind == "crash":
        text += f"; see {running.log_path}"
    return Outcome(
        status=kind,
        message=text,
        values=values,
        log_tail="" if kind == "ok" else tail,
        max_rss_bytes=heard.last.get("peak_bytes") or usage.ru_maxrss * 1024,
        wall_seconds=time.monotonic() - running.start,
        user_seconds=usage.ru_utime,
        system_seconds=usage.ru_stime,
        voluntary_switches=usage.ru_nvcsw,
        involuntary_switches=usage.ru_nivcsw,
    )


def _file_of(content: bytes) -> IO[bytes]:
    """Return an open file in memory. A pipe would block the parent on a child that reads nothing."""
    stream = os.fdopen(os.memfd_create("spec"), "w+b")
    stream.write(content)
    stream.seek(0)
    return stream


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**passed, **FIXED, "PYTHONPATH": str(alone(PACKAGE)), **registry.passed_on(), **variables}


def _end(process: subprocess.Popen[bytes], ended: int, patience_seconds: float) -> tuple[Any, int]:
    """End the child and all in its process group; return its resource usage and wait status.

    The child is reaped last: until then its number, which is also the group's, cannot be given to another process.
    """
    try:
        if not _has_ended(ended, patience_seconds):
            os.killpg(process.pid, signal.SIGTERM)
            _has_ended(ended, GRACE_SECONDS)
    finally:
        # Also when the child itself is gone: what it has started in its group may not be.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return usage, status


def _has_ended(ended: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _verdict(
    heard: Heard, status: int, tail: str, time_limit_seconds: float, memory: oom.Watch
) -> tuple[str, str, dict[str, Any]]:
    """Return status, message and values from what the child has said and how it ended."""
    code = os.waitstatus_to_exitcode(status)
    last = heard.last
    if heard.reason == "timeout":
        return "timeout", f"no result within {time_limit_seconds:g} s", {}
    if heard.reason == "silent":
        return "crash", "closed its pipe without a result and went on", {}
    if heard.reason == "rubbish":
        return "protocol", f"not a message of ours on the pipe: {heard.detail}", {}
    if heard.reason == "message" and last["event"] == "result":
        return "ok", "", last["values"]
    if heard.reason == "message" and last["event"] == "failure":
        return last["kind"] if last["kind"] in FAILURE_KINDS else "error", last["message"], {}
    return (*_death(heard, code, tail, memory), {})


def _death(heard: Heard, code: int, tail: str, memory: oom.Watch) -> tuple[str, str]:
    """Return kind and message of a child that ended on its own without a last word."""
    how = f"died by {_signal_name(-code)}" if code < 0 else f"exit {code} without a result"
    if oom.is_oom_message(tail) or (code == -signal.SIGKILL and memory.killed()):
        return "oom", f"{how}, for want of memory; a smaller batch size or more memory would help"
    if code < 0:
        return "crash", how
    if heard.reason == "cut off":
        return "protocol", f"{how}: its last message is cut off"
    last_line = next((line.strip() for line in reversed(tail.splitlines()) if line.strip()), "")
    if last_line.startswith(("ModuleNotFoundError", "ImportError")):
        return "import_error", last_line
    return "crash", how


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _tail(path: Path, start: int) -> str:
    """Return the end of what was written to a log after `start` bytes."""
    with contextlib.suppress(OSError), path.open("rb") as stream:
        begin = max(start, path.stat().st_size - LOG_TAIL_CHARACTERS)
        stream.seek(begin)
        text = stream.read(LOG_TAIL_CHARACTERS)
        # Whole lines: the rest of one may be the rest of a path, which nobody would know for one.
        whole = text.partition(b"\n")[2] if begin > start else b""
        return (whole or text).decode(errors="replace")
    return ""
