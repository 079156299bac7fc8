"""Folders that a command under test may write to, and a watch over whatever it does beyond them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Programs that looking at a host or at the harness's own code may start.
_PROGRAMS = ("git", "lscpu", "qemu-x86_64", "uv", "fc-list", "uname", "ldconfig")


@dataclass
class Sandbox:
    """A folder that holds all a command may touch: `project`, `results`, `cache`, `work` (where it is called from).

    What lies beside them is a user's: a command that changes it has broken out.
    """

    root: Path

    def __post_init__(self) -> None:
        for folder in (self.project, self.results, self.cache, self.work, self.root / "user"):
            folder.mkdir(parents=True, exist_ok=True)
        for name in ("README.md", "user/notes.txt"):
            (self.root / name).write_text("a user's own\n")

    @property
    def project(self) -> Path:
        """The user's folder of configs and suites."""
        return self.root / "project"

    @property
    def results(self) -> Path:
        """The folder of results."""
        return self.root / "results"

    @property
    def cache(self) -> Path:
        """The cache folder."""
        return self.root / "cache"

    @property
    def work(self) -> Path:
        """The folder that commands are called from."""
        return self.root / "work"

    def places(self) -> tuple[str, ...]:
        """Return the options that keep a command inside."""
        return "--project", str(self.project), "--results", str(self.results)


class _Watch:
    """Sees what Python itself announces (PEP 578); there is no way to take such a hook off again."""

    def __init__(self) -> None:
        self.allowed: tuple[str, ...] | None = None
        self.input = ""
        self.broken: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.allowed is None:
            return
        told = None
        if event == "open":
            path, mode, flags = arguments
            writes = any(letter in (mode or "") for letter in "wax+") or bool(
                flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            )
            if writes and isinstance(path, (str, bytes, os.PathLike)):
                told = self._outside(path, "writes")
        elif event in ("os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "shutil.rmtree"):
            told = self._outside(arguments[0], event)
        elif event in ("os.rename", "os.link", "os.symlink"):
            told = self._outside(arguments[1], event)
        elif event in ("subprocess.Popen", "os.posix_spawn"):
            program = arguments[0] or arguments[1][0]
            if Path(os.fsdecode(program)).name not in _PROGRAMS:
                told = f"starts {Path(os.fsdecode(program)).name}"
        elif event in ("os.system", "socket.connect", "socket.getaddrinfo", "pickle.find_class", "os.exec"):
            told = f"{event}"
        elif event == "import" and arguments[1] and str(arguments[1]).startswith(self.input):
            told = f"imports {arguments[0]} from its input"
        elif event == "exec" and getattr(arguments[0], "co_filename", "").startswith(self.input):
            told = "runs code that lies in its input"
        if told is not None:
            self.broken.append(told)
            # Whatever it would have done, it must not: these cases run on a developer's machine.
            raise PermissionError(f"stopped by the test: {told}")

    def _outside(self, path: Any, what: str) -> str | None:
        if isinstance(path, int):
            return None
        found = os.path.realpath(os.fsdecode(path))
        if found.startswith((*self.allowed, "/dev/")) or "/__pycache__/" in found:
            return None
        return f"{what} outside of its folders: {Path(found).name}"


_WATCH: _Watch | None = None


@contextlib.contextmanager
def watched(sandbox: Sandbox) -> Iterator[list[str]]:
    """Yield a list that holds, at the end, what was done that no command may do."""
    global _WATCH
    if _WATCH is None:
        _WATCH = _Watch()
    inside = tuple(f"{os.path.realpath(path)}" for path in (sandbox.results, sandbox.cache, sandbox.work))
    _WATCH.broken, _WATCH.input = [], f"{os.path.realpath(sandbox.root)}/"
    # A library's own caches, such as matplotlib's list of fonts, are no business of these tests.
    _WATCH.allowed = (*inside, *(os.path.realpath(Path.home() / name / "matplotlib") for name in (".cache", ".config")))
    try:
        yield _WATCH.broken
    finally:
        _WATCH.allowed = None
