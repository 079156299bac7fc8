"""Checks a user's CSV, TSV or JSON lines before the library that reads them, and says in words why it could not.

What pyarrow says of such files names neither the line nor what would be right, some it takes as they are, and values
nested some thousands deep end the process.
"""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from harness.errors import StageError, shortened, shown
from harness.text.printable import plain

#: Bytes that a row may have at most.
_LONGEST_ROW = 2**30

#: Lists and objects within each other. No row of a table is deep; some thousands overflow the reader's stack.
DEEPEST = 100

#: Digits of a number that a double can hold.
_MOST_DIGITS = 308

#: Characters of the library's own words that are shown.
_SAID = 200

#: Bytes that are looked at together.
_CHUNK_BYTES = 2**22

_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

_BRACKETS = b"[]{}"
_NOT_STRUCTURE = bytes(set(range(256)) - set(_BRACKETS + b'"\n'))


def require_sound(path: Path, is_json: bool) -> None:
    """Raise unless a file is UTF-8, and its JSON values are not nested too deeply.

    Raises
    ------
    StageError : ``bad_data``, with the line.
    """
    with path.open("rb") as stream:
        start = stream.read(4)
        if start.startswith(_MARKS) or b"\0" in start:
            raise StageError("bad_data", f"{path.name}: is no UTF-8 but looks like UTF-16 or UTF-32; want UTF-8")
        stream.seek(0)
        lines, depth = 0, 0
        while chunk := stream.read(_CHUNK_BYTES) + stream.readline():
            try:
                chunk.decode()
            except UnicodeDecodeError as error:
                line = lines + chunk.count(b"\n", 0, error.start) + 1
                found = f"the byte 0x{chunk[error.start]:02x} is no UTF-8"
                raise StageError(
                    "bad_data", f"{path.name}, line {line}: {found}; want the file saved as UTF-8"
                ) from error
            if is_json:
                depth = _require_flat(chunk, depth, path, lines)
            lines += chunk.count(b"\n")


def _require_flat(chunk: bytes, depth: int, path: Path, lines: int) -> int:
    """Return how many lists and objects are open behind a chunk of whole lines, `depth` of them before it."""
    # Without escaped quotes each string lies between two quotes of its line, and holds nothing that is nested.
    bare = chunk.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NOT_STRUCTURE)
    structure = np.frombuffer(b"".join(map(_outside, bare.splitlines(keepends=True))), np.uint8)
    steps = np.zeros(256, np.int32)
    steps[list(b"[{")], steps[list(b"]}")] = 1, -1
    levels = depth + np.cumsum(steps[structure])
    # What is closed without having been opened ends the reader's work on its own block only.
    levels -= np.minimum(np.minimum.accumulate(levels), 0) if len(levels) else 0
    deep = np.flatnonzero(levels > DEEPEST)
    if len(deep):
        line = lines + np.count_nonzero(structure[: deep[0]] == ord("\n")) + 1
        raise StageError("bad_data", f"{path.name}, line {line}: nested too deeply; want at most {DEEPEST} levels")
    return int(levels[-1]) if len(levels) else depth


def _outside(line: bytes) -> bytes:
    return b"".join(line.split(b'"')[::2]) if line.count(b'"') % 2 == 0 else line


def block_bytes(path: Path) -> int:
    """Return how much of a file pyarrow is to take at once: all of it.

    A row that reaches over two blocks is an error of its own, after which the process can hang at its end.
    """
    return min(path.stat().st_size + 1, _LONGEST_ROW)


def explain(path: Path, is_json: bool, said: str) -> NoReturn:
    """Raise what is wrong with a file that pyarrow has refused, in words of ours where the cause is found.

    Parameters
    ----------
    said : pyarrow's words, for what is not found here.

    Raises
    ------
    StageError : ``bad_data``.
    """
    if "straddling" in said:
        raise StageError("bad_data", f"{path.name}: a row is longer than {_LONGEST_ROW} bytes, the most that is read")
    if is_json:
        for number, line in _lines(path):
            wrong = _wrong(line)
            if wrong is not None:
                raise StageError("bad_data", f"{path.name}, line {number}: {wrong}")
    raise StageError("bad_data", f"{path.name}: {shortened(plain(said), _SAID)}")


def _lines(path: Path) -> Any:
    with path.open("rb") as stream:
        yield from enumerate(stream, start=1)


class _TooLongError(ValueError):
    """A number has more digits than any that is counted or measured."""


def _number(digits: str) -> str:
    if len(digits) > _MOST_DIGITS:
        raise _TooLongError(f"a number of {len(digits)} digits; want at most {_MOST_DIGITS}, or text in double quotes")
    return digits


def _wrong(line: bytes) -> str | None:
    """Return why a line is no row of JSON lines, or None."""
    try:
        value = json.loads(line.decode("utf-8-sig"), parse_int=_number, parse_float=_number) if line.strip() else {}
    except _TooLongError as error:
        return str(error)
    except ValueError as error:
        return f"no whole JSON object ({getattr(error, 'msg', error)}); want one object a line"
    if isinstance(value, list):
        return "a list; want one object a line, without a list around them"
    return None if isinstance(value, dict) else f"{shown(value)} is no object; want one object a line"
