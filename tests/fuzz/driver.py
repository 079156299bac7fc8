"""Calls the command line in this process with hostile input, and says what of its manners was broken.

A command may refuse what it likes, in one message, with an exit status of the documented ones. It may not let an
exception out, hang, write outside the folders it was given, start a program, ask a network, run code that lies among
its input, or pass control characters on.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import signal
import tempfile
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.__main__ import main
from harness.cli import COMMANDS
from tests.fuzz.manners import is_json, manners
from tests.fuzz.sandbox import Sandbox, watched

#: No case takes so long but one that hangs: see :func:`guarded`.
HANG_SECONDS = 5.0
ASLEEP_SECONDS = 60.0


def warm_up() -> None:
    """Import what commands import where they need it: the first of the cases must not pay for that."""
    for command in COMMANDS:
        importlib.import_module(f"harness.commands.{command.name}")
    for name in (
        *("compare.picture", "plan.compatibility", "tuning.pareto", "table.picture"),
        *("trend.host_matrix", "trend.picture"),
    ):
        importlib.import_module(f"harness.publish.{name}")


class Hang(BaseException):
    """A case took longer than any but a hanging one; no handler of ordinary errors may swallow it."""


@dataclass(frozen=True)
class Finished:
    """What one call of the command line came to."""

    arguments: tuple[str, ...]
    status: int | None  # None where an exception left the command line
    stdout: str
    stderr: str
    faults: tuple[str, ...]  # each names its kind first: "traceback: ...", "hang: ..."


@dataclass
class Findings:
    """Every kind of fault that was seen, each with its count and its smallest example."""

    seen: Counter[str] = field(default_factory=Counter)
    smallest: dict[str, str] = field(default_factory=dict)
    cases: int = 0

    def add(self, faults: Sequence[str], example: str) -> None:
        """Count one case and what was wrong with it."""
        self.cases += 1
        for fault in faults:
            self.seen[fault] += 1
            if fault not in self.smallest or len(example) < len(self.smallest[fault]):
                self.smallest[fault] = example

    def report(self) -> str:
        """Return one paragraph a kind, the most frequent first."""
        parts = [f"{count} x {fault}\n    e.g. {self.smallest[fault]}" for fault, count in self.seen.most_common()]
        return f"{self.cases} cases, {len(self.seen)} kinds of fault\n" + "\n".join(parts)


@contextlib.contextmanager
def guarded(seconds: float = HANG_SECONDS) -> Iterator[None]:
    """Raise :class:`Hang` in what takes longer, by the process's own time: a busy machine makes no hang.

    What sleeps takes none of it, so that there is a limit to the wall clock's as well, which no case comes near.
    """

    def ring(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    asleep = threading.Timer(ASLEEP_SECONDS, os.kill, (os.getpid(), signal.SIGPROF))
    asleep.daemon = True
    asleep.start()
    try:
        yield
    finally:
        asleep.cancel()
        signal.setitimer(signal.ITIMER_PROF, 0)
        asleep.join()
        signal.signal(signal.SIGPROF, before)


def call(sandbox: Sandbox, *arguments: str) -> Finished:
    """Run one command and return what came of it; `arguments` are those of a command line."""
    return attempt(sandbox, lambda: main(list(arguments)), arguments)


def attempt(sandbox: Sandbox, function: Callable[[], int], arguments: tuple[str, ...] = ()) -> Finished:
    """Call a function that returns an exit status, as :func:`call` does the command line's."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as error:
        streams = io.TextIOWrapper(out, "utf-8"), io.TextIOWrapper(error, "utf-8", errors="backslashreplace")
        status, faults = None, []
        before, there = _beside(sandbox), Path.cwd()
        try:
            os.chdir(sandbox.work)
            with (
                contextlib.redirect_stdout(streams[0]),
                contextlib.redirect_stderr(streams[1]),
                watched(sandbox) as broken,
                guarded(),
            ):
                status = function()
        except Hang as hang:
            faults.append(f"hang: {_place(hang)}")
        except SystemExit as left:
            # argparse leaves so after --help only.
            status = left.code if isinstance(left.code, int) else 1
        except BaseException as escaped:
            faults.append(f"traceback: {type(escaped).__name__} at {_place(escaped)}")
        finally:
            os.chdir(there)
        faults += [f"breaks out: {what}" for what in broken]
        texts = [_text(stream) for stream in streams]
    if _beside(sandbox) != before:
        faults.append("breaks out: a user's file is not what it was")
    faults += manners(status, *texts) if status is not None else []
    if "--json" in arguments and status in (0, 1, 3, 4) and not is_json(texts[0]):
        faults.append("json: what is printed is none")
    return Finished(arguments, status, *texts, tuple(dict.fromkeys(faults)))


def _text(stream: io.TextIOWrapper) -> str:
    with contextlib.suppress(ValueError, OSError):
        stream.flush()
    stream.buffer.seek(0)
    return stream.buffer.read().decode("utf-8", errors="surrogateescape")


def _beside(sandbox: Sandbox) -> list[tuple[str, int, int]]:
    """Return what of a user's lies beside the folders that commands may write."""
    own = [sandbox.root / "README.md", *(sandbox.root / "user").iterdir(), *sandbox.root.iterdir()]
    return sorted((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in own if path.is_file())


def _place(error: BaseException) -> str:
    """Return where an exception comes from: the innermost frame of the harness's own, and of any."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/harness/" in frame.filename and "/tests/" not in frame.filename]
    last = own[-1] if own else frames[-1]
    return f"harness/{last.filename.rpartition('/harness/')[2]}:{last.lineno} ({last.name})"
