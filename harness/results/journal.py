"""Append-only files of JSON objects, a line each, that several processes may write to."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.results import files
from harness.results.lines import refuse_constant


def append(path: Path, values: Mapping[str, Any]) -> None:
    """Add a line and return when it is on the disk.

    Raises
    ------
    ValueError : a value is NaN or infinite.
    UserError : the file cannot be written.
    """
    line = json.dumps(dict(values), allow_nan=False, separators=(",", ":")).encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.require_regular(path)
        with path.open("ab+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if stream.seek(0, os.SEEK_END):
                stream.seek(-1, os.SEEK_END)
                # What a killed writer has left without its end must not take this line with it.
                line = line if stream.read(1) == b"\n" else b"\n" + line
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error


def entries(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file, the oldest first; lines that are none, such as one cut off, are passed over."""
    with contextlib.suppress(OSError):
        for line in files.content(path).splitlines():
            with contextlib.suppress(ValueError, RecursionError):
                values = json.loads(line, parse_constant=refuse_constant)
                if isinstance(values, dict):
                    yield values
