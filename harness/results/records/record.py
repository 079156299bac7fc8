"""The records of a run: making one, holding it against its type, and bringing an old one to the current version.

Their types, with each field's bounds and meaning, are in :mod:`harness.results.records.kinds`. Here and for all readers
a record is a dict, as its line is read: the types are what it is checked against.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import UNSET, structs

from harness.errors import nearest
from harness.results.records import kinds, refusals
from harness.results.records.kinds import Base

Record = dict[str, Any]

#: The version that is written. A changed or removed field raises it and brings an entry in :data:`MIGRATIONS`.
SCHEMA: Final = 1

#: Version -> a function that returns a record of that version as one of the next.
MIGRATIONS: dict[int, Callable[[Record], Record]] = {}


def made(kind: type[Base], /, **fields: Any) -> Record:
    """Return a record of a type, with the time of now; an optional field that is None is left out.

    Raises
    ------
    TypeError : a field is missing, or the type has no such field.
    """
    optional = {field.name for field in structs.fields(kind) if field.default is UNSET}
    there = {name: _plain(value) for name, value in fields.items() if value is not None or name not in optional}
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    whole = kind(schema=SCHEMA, time=now, **there)
    named = ((name, getattr(whole, name)) for name in kind.__struct_fields__)
    return {"type": kind.__struct_config__.tag, **{name: value for name, value in named if value is not UNSET}}


header = functools.partial(made, kinds.Header)
dataset = functools.partial(made, kinds.Dataset)
trial = functools.partial(made, kinds.Trial)
prepared = functools.partial(made, kinds.Prepared)
accuracy = functools.partial(made, kinds.Accuracy)
peak = functools.partial(made, kinds.Peak)
invocation = functools.partial(made, kinds.Invocation)
scenario = functools.partial(made, kinds.Scenario)
failure = functools.partial(made, kinds.Failure)


def end(status: str, counts: Mapping[str, int], seconds: float) -> Record:
    """Return the last record of a session; `status` is ``complete`` or ``interrupted``."""
    return made(kinds.End, status=status, counts=counts, seconds=seconds)


def encode(record: Record) -> bytes:
    """Return the record as its line, newline included.

    Raises
    ------
    ValueError : it does not fit its type, or holds NaN or infinity: a bug of ours, so it must not reach the file.
    """
    check(record)
    # ASCII only: the tail of a log may hold bytes that are no text, which UTF-8 could not carry.
    return json.dumps(record, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def check(record: Record) -> None:
    """Raise ValueError, naming the field, unless the record fits its type."""
    kind = record.get("type")
    if not isinstance(kind, str) or kind not in kinds.TYPES:
        raise ValueError(f"no record type {kind!r}{nearest(str(kind), kinds.TYPES)}")
    reason = refusals.reason(record, kinds.TYPES[kind])
    if reason is not None:
        raise ValueError(f"record {kind}: {reason}")


def upgrade(record: Record) -> Record:
    """Return a record of any older version as one of version :data:`SCHEMA`.

    Raises
    ------
    ValueError : its version is no number that this harness can start from.
    """
    while (version := record.get("schema")) != SCHEMA:
        if not isinstance(version, int) or version not in MIGRATIONS:
            raise ValueError(f"schema is {version!r}, want {' or '.join(map(str, (*MIGRATIONS, SCHEMA)))}")
        record = MIGRATIONS[version](record)
    return record


def _plain(value: Any) -> Any:
    """Return mappings and dataclasses as dicts and tuples as lists, so that a record equals what is read back."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return list(value) if set(map(type, value)) <= {int, float, str} else [_plain(item) for item in value]
    # A float of numpy's is a float, but not the same type.
    return float(value) if isinstance(value, float) else value
