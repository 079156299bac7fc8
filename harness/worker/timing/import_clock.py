"""Tells the time of a backend's imports from that of loading its model: both happen inside one `load`.

And leaves out what a load would import for nothing.
"""

from __future__ import annotations

import builtins
import contextlib
import sys
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any


class ImportClock:
    """Adds up the time of the import statements that run while it is entered; nested ones count once."""

    def __init__(self) -> None:
        self.elapsed_ns = 0
        self._inside = False
        self._import = builtins.__import__

    def __enter__(self) -> ImportClock:
        self._import = builtins.__import__
        builtins.__import__ = self._timed
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        builtins.__import__ = self._import

    def _timed(self, *args: Any, **keywords: Any) -> Any:
        if self._inside:
            return self._import(*args, **keywords)
        self._inside = True
        start = time.monotonic_ns()
        try:
            return self._import(*args, **keywords)
        finally:
            self.elapsed_ns += time.monotonic_ns() - start
            self._inside = False


@contextlib.contextmanager
def without(package: str) -> Iterator[None]:
    """Have a package count as not installed in the body, unless it is imported already."""
    if package in sys.modules:
        yield
        return
    # For a name with None, find_spec() finds nothing, and an import of it fails; typeshed leaves None out.
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]
