"""Tests run side by side, but a test that compares speeds has the machine to itself."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def turn(alone: bool, folder: Path | None = None) -> Iterator[None]:
    """Wait until this process may run a test: beside others, or `alone`, when no other of this user runs one.

    Whoever waits to be alone keeps others from starting, so it gets its turn. `folder` is that of the two locks.
    """
    folder = folder or Path(tempfile.gettempdir())
    with contextlib.ExitStack() as room:
        with _locked(folder / f"harness-tests-{os.getuid()}-door", fcntl.LOCK_EX):
            kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
            room.enter_context(_locked(folder / f"harness-tests-{os.getuid()}-room", kind))
        yield


@contextlib.contextmanager
def _locked(path: Path, kind: int) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)
