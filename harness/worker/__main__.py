"""The child's entry: ``python -m harness.worker DESCRIPTOR PARENT``, with a spec as JSON on standard input.

The spec holds: stage, cell, inputs, out, cores, threads, memory_limit_bytes, seed, options (see
:mod:`harness.execute.child`). Messages go to the descriptor (see :mod:`harness.worker.channel`), all else to the log.
"""

import time

_STARTED_NS = time.monotonic_ns()

import ctypes  # noqa: E402
import errno  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402

#: The only modules of this folder that a spec can name.
STAGES = ("tokenise", "finetune", "quantize", "evaluate", "score", "measure")

_PR_SET_PDEATHSIG = 1


def main(descriptor: int, parent: int) -> int:
    """Run the stage that the spec names; return the exit status."""
    _die_with(parent)
    spec = json.load(sys.stdin)
    os.sched_setaffinity(0, spec["cores"])
    # Data segments, not address space: frameworks reserve far more than they ever touch.
    resource.setrlimit(resource.RLIMIT_DATA, (spec["memory_limit_bytes"],) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    spec["started_ns"] = _STARTED_NS

    from harness.plan.cell import cell_from_dict
    from harness.worker.channel import Report

    report = Report(os.fdopen(descriptor, "w", encoding="utf-8"))
    try:
        if spec["stage"] not in STAGES:
            raise ValueError(f"no stage {spec['stage']!r}")
        module = importlib.import_module(f"harness.worker.{spec['stage']}")
        report.result(module.run(spec, cell_from_dict(spec["cell"]), report))
    except BaseException as error:
        traceback.print_exc()
        kind, message = _named(error)
        report.failure(kind, message)
        return 1
    return 0


def _die_with(parent: int) -> None:
    """Have the kernel end this process when its parent dies, also by a signal that the parent cannot catch."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call above
        os._exit(1)


def _named(error: BaseException) -> tuple[str, str]:
    """Return the kind and the one line of an error."""
    from harness.errors import StageError
    from harness.execute.outofmemory import said

    line = (str(error).strip().splitlines() or [""])[0][:500]
    text = f"{type(error).__name__}: {line}" if line else type(error).__name__
    if isinstance(error, StageError):
        return error.kind, error.message
    if isinstance(error, MemoryError) or said(str(error)):
        return "oom", f"out of memory under the limit: {text}"
    if isinstance(error, ImportError):
        return "import_error", text
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "disk_full", text
    if isinstance(error, ValueError) and "Out of range float values" in str(error):
        return "nan", "a figure of the result is not finite"
    return "error", text


if __name__ == "__main__":
    # Frameworks may hang in their exit handlers; all that matters has been sent and flushed.
    status = main(int(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
