"""Lets a command come to its end when nobody reads its output any more: ``harness table | head -1``.

What is shown then goes nowhere, and nothing else changes: files are written, gates are judged, and the exit status is
that of the command.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any


class _Lasting(io.FileIO):
    """A descriptor that takes whatever is written, also when its reader has gone."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return super().write(content)


def outlast_readers() -> None:
    """Have standard output and standard error take what is written when their reader has gone.

    What stands in their place already, such as another program's capture, is left as it is.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            stream.flush()
            raw = _Lasting(stream.fileno(), "wb", closefd=False)
            lasting = io.TextIOWrapper(
                io.BufferedWriter(raw),
                encoding=stream.encoding,
                errors=stream.errors,
                line_buffering=stream.line_buffering or stream.write_through,
            )
            setattr(sys, name, lasting)
