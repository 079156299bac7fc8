"""The lines of a run's file: which of them are there, and each as a record, whatever a disk or a stranger has made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import UserError
from harness.results import files
from harness.results.records import record as records
from harness.results.records import sense
from harness.results.records.record import Record

#: No counter, size or time is larger: whole numbers have 64 bits, and what is computed is that of a 32-bit float.
_MOST_WHOLE, _MOST = 2**64 - 1, 1e39

#: Levels of lists and objects in a line: what goes through them does so level by level.
_DEEPEST = 50
_NUMBERS = {int, float}

_SPACE = b" \t\r\n"


def complete(content: bytes) -> bytes:
    """Return what of a file is whole lines; one that its writer did not finish, and blank ones at the end, are not."""
    whole = content[: content.rfind(b"\n") + 1]
    written = len(whole.rstrip(_SPACE))
    return whole[: whole.find(b"\n", written) + 1] if written else b""


def of(path: Path) -> list[bytes]:
    """Return the lines of a file that are there.

    Raises
    ------
    UserError : it is no file, or cannot be read.
    """
    with files.readable(path):
        content = files.content(path)
    return complete(content).split(b"\n")[:-1]


def decoded(line: bytes, path: Path, number: int) -> Record:
    """Return line `number` of a file as a record of the current version.

    Raises
    ------
    UserError : it is none, with its number and what is wrong; or it is of a newer harness.
    """
    record = parsed(line, path, number)
    try:
        records.check(record)
        # Not asked of what is written: a record that is wrong is better than none.
        sense.check(record)
    except ValueError as error:
        raise UserError(f"{path}, line {number}: damaged: {error}") from error
    return record


def parsed(line: bytes, path: Path, number: int) -> Record:
    """Return a line as a record of the current version, not yet held against its type.

    Raises
    ------
    UserError : as :func:`decoded`, for what shows before that.
    """
    where = f"{path}, line {number}"
    try:
        record = _values(line)
        if not isinstance(record, dict):
            raise ValueError("want an object")
        version = record.get("schema")
        if type(version) is int and version > records.SCHEMA:
            reads = f"this one reads up to {records.SCHEMA}"
            raise UserError(f"{where}: written by a newer harness (schema {version}, {reads}); update the harness")
        return records.upgrade(record)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        # A migration takes its fields for granted, so a damaged old record shows as a missing one.
        raise UserError(f"{where}: damaged: {error}") from error


def _values(line: bytes) -> Any:
    try:
        values = msgspec.json.decode(line)
    except msgspec.DecodeError:
        # Half of a character, which the tail of a log may hold; or damage, for which json has better words. It is given
        # text, for in bytes it would guess at UTF-16.
        values = json.loads(line.decode(), parse_constant=refuse_constant)
    _require_bounded(values, _DEEPEST)
    return values


def _require_bounded(values: Any, deepest: int) -> None:
    """Raise ValueError where lists and objects are nested too deep, or a number is beyond all bounds."""
    inner = values.values() if isinstance(values, dict) else values if isinstance(values, list) else (values,)
    kinds = set(map(type, inner))
    # Most lists are long and hold numbers, which are seldom large.
    if kinds <= _NUMBERS and (not kinds or (min(inner) >= -_MOST_WHOLE and max(inner) <= _MOST_WHOLE)):
        return
    for one in inner:
        kind = type(one)
        if kind is str:
            continue
        if kind is dict or kind is list:
            if not deepest:
                raise ValueError(f"it is nested more than {_DEEPEST} deep")
            _require_bounded(one, deepest - 1)
        elif kind is int and abs(one) > _MOST_WHOLE:
            raise ValueError(f"the number {str(one)[:24]}... is beyond all that is counted")
        elif kind is float and not abs(one) <= _MOST:
            raise ValueError(f"the number {one} is beyond all that is measured")


def refuse_constant(name: str) -> float:
    """Raise ValueError for NaN and the infinities, which Python's json takes for numbers."""
    raise ValueError(f"{name} is no JSON number")
