"""The child's entry: ``python -m harness.worker DESCRIPTOR PARENT``, with a spec as JSON on standard input.

The spec holds: stage, cell, inputs, out, cores, threads, nodes, memory_nodes, amx, memory_limit_bytes, seed, options
(see :mod:`harness.execute.process.request`); the entry adds `started_ns`, the monotonic clock at its very start,
`bind_error` (None: memory is bound) and `amx_permission` (None: not asked for). Messages go to the descriptor (see
:mod:`harness.ipc.report`), all else to the log. The last message also holds `peak_bytes`, this process's peak of
resident memory: the kernel's own figure (``ru_maxrss``) is never below the peak of the parent.
"""

import time

_STARTED_NS = time.monotonic_ns()

import contextlib  # noqa: E402
import ctypes  # noqa: E402
import errno  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402
import resource  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from harness.ipc.report import Report  # noqa: E402
from harness.worker.timing import amx, memory  # noqa: E402

#: The only modules of this folder that a spec can name.
STAGES = (
    *("tokenise", "windows", "finetune", "quantize", "tune", "evaluate", "score"),
    *("peak", "measure", "scenario", "instance"),
)

#: Less than this is a full disk: what a framework's own writer then says need not name the reason.
_FULL_BYTES = 2**20

#: What is named is not there, or cannot be read as what it is named as.
_UNREADABLE = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)

_PR_SET_PDEATHSIG = 1


class LastWord(Report):
    """Adds the peak memory to the message that ends the talk."""

    def _send(self, message: dict[str, Any]) -> None:
        if message["event"] in ("result", "failure"):
            message = {**message, "peak_bytes": peak_bytes()}
        super()._send(message)


def peak_bytes(root: Path = Path("/")) -> int | None:
    """Return the peak of this process's resident memory, VmHWM of proc_pid_status(5); None where it is not told."""
    with contextlib.suppress(OSError):
        found = re.search(r"^VmHWM:\s*(\d+) kB$", (root / "proc/self/status").read_text(), re.MULTILINE)
        return None if found is None else int(found[1]) * 1024
    return None


def main(descriptor: int, parent: int) -> int:
    """Run the stage that the spec names, send its result or its failure, and return the exit status."""
    _die_with(parent)
    # What this process starts must not hold the pipe open.
    os.set_inheritable(descriptor, False)
    report = LastWord(os.fdopen(descriptor, "w", encoding="utf-8"))
    spec: dict[str, Any] = {}
    try:
        spec = json.load(sys.stdin)
        spec["started_ns"] = _STARTED_NS
        _limit(spec)
        report.result(_stage(spec, report))
    except BaseException as error:
        # The message before the traceback: the log may lie on a disk that is full.
        kind, message = _named(error, spec.get("out"))
        report.failure(kind, message)
        with contextlib.suppress(OSError):
            traceback.print_exc()
        return 1
    return 0


def _stage(spec: dict[str, Any], report: Report) -> dict[str, Any]:
    from harness.config.cell import cell_from_dict

    if spec["stage"] not in STAGES:
        raise ValueError(f"no stage {spec['stage']!r}; valid: {', '.join(STAGES)}")
    module = importlib.import_module(f"harness.worker.stages.{spec['stage']}")
    return module.run(spec, cell_from_dict(spec["cell"]), report)


def _die_with(parent: int) -> None:
    """Have the kernel end this process when its parent dies, also by a signal that the parent cannot catch."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call above
        os._exit(1)


def _limit(spec: dict[str, Any]) -> None:
    """Pin this process to its cores, its memory to their nodes, and put limits on its memory and its core dumps.

    The memory limit is on private writable memory (RLIMIT_DATA, Linux 4.7): frameworks reserve far more address space
    than they ever touch, and a limit on resident memory does not exist.
    """
    from harness.errors import StageError

    allowed = sorted(os.sched_getaffinity(0))
    # The kernel would silently leave out the cores that it does not give to this process.
    missing = sorted(set(spec["cores"]).difference(allowed))
    if missing or not spec["cores"]:
        raise StageError("bad_config", f"host.cores: cannot be pinned to {missing or 'no core'}; allowed: {allowed}")
    os.sched_setaffinity(0, spec["cores"])
    # No error: what containers refuse is told in the records, and never claimed.
    spec["bind_error"] = memory.bind(spec["memory_nodes"]) if spec["memory_nodes"] else None
    spec["amx_permission"] = amx.ask() if spec["amx"] else None
    # Memory's hard limit stays, so that the control, which is none of the cell's, can have what the host has.
    most = resource.getrlimit(resource.RLIMIT_DATA)[1]
    wanted = spec["memory_limit_bytes"]
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _named(error: BaseException, out: str | None) -> tuple[str, str]:
    """Return the kind and the one line of an error; `out` is the folder that the stage writes to."""
    from harness import registry
    from harness.errors import StageError
    from harness.ipc.oom import is_oom_message

    line = (str(error).strip().splitlines() or [""])[0][:500]
    text = f"{type(error).__name__}: {line}" if line else type(error).__name__
    if isinstance(error, StageError):
        return error.kind, error.message
    if isinstance(error, MemoryError) or is_oom_message(str(error)):
        return "oom", f"out of memory under the limit: {text}"
    if isinstance(error, ImportError):
        return "import_error", text
    if _disk_full(error, out):
        return "disk_full", text
    if isinstance(error, _UNREADABLE):
        return "missing_file", f"{error.filename}: {error.strerror}" if error.filename else text
    if isinstance(error, FloatingPointError):
        return "nan", text
    if isinstance(error, ValueError) and "Out of range float values" in str(error):
        return "nan", "a figure of the result is not finite"
    place = registry.place_of(error)
    return "error", text if place is None else f"{place}: {text}"


def _disk_full(error: BaseException, out: str | None) -> bool:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    if "No space left on device" in str(error):
        return True
    with contextlib.suppress(OSError):
        disk = os.statvfs(out) if out else None
        return disk is not None and disk.f_bavail * disk.f_frsize < _FULL_BYTES
    return False


if __name__ == "__main__":
    # Frameworks may hang in their exit handlers; all that matters has been sent and flushed.
    status = main(int(sys.argv[1]), int(sys.argv[2]))
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
