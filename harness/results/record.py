"""The records of a run: one function a type, and the schema that every line is held against before it is written.

The parameters of a function are the fields of its record; `results/README.md` says what each means and in which unit.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from harness.errors import nearest
from harness.results import identifiers

Record = dict[str, Any]

#: The version that is written. A changed or removed field raises it and brings an entry in :data:`MIGRATIONS`.
SCHEMA = 1

#: Version -> a function that returns a record of that version as one of the next.
MIGRATIONS: dict[int, Callable[[Record], Record]] = {}

SCHEMA_FILE = Path(__file__).with_name("record.schema.json")

#: Of a header.
_OPTIONAL_OF_HEADER = ("comparison", "rerun_of", "emulator", "limits", "placements", "lock_sha256")

#: A message about a series of ten thousand values must stay one line that a person reads.
_MESSAGE_LENGTH = 200


def header(
    run: str,
    *,
    suite: Mapping[str, Any],
    overrides: Sequence[str],
    harness: Mapping[str, Any],
    host: str,
    environments: Mapping[str, str],
    options: Sequence[Mapping[str, Any]],
    cells: Sequence[Mapping[str, Any]],
    excluded: Sequence[Mapping[str, Any]],
    baseline: Mapping[str, str],
    gates: Sequence[Any],
    seed: int,
    comparison: Mapping[str, Any] | None = None,
    rerun_of: Mapping[str, str] | None = None,
    emulator: str | None = None,
    limits: Mapping[str, Any] | None = None,
    placements: Mapping[str, Sequence[int]] | None = None,
    lock_sha256: Mapping[str, str] | None = None,
) -> Record:
    """Return the first record of a run: what it is going to do, where, and with which code.

    `comparison` is there only where the run is one side of one, `rerun_of` only where it repeats a cell of another run,
    `emulator` only where a cell has an emulated CPU. Older headers have neither `limits` nor `placements`,
    nor `lock_sha256`.
    """
    return _record("header", locals(), _OPTIONAL_OF_HEADER)


def dataset(
    *,
    task: str,
    tokenised: str,
    rows: Mapping[str, int],
    fingerprints: Mapping[str, str],
    labels: Sequence[str],
    references: Sequence[float],
    max_length: int | None = None,
    positions: int | None = None,
    truncation: Mapping[str, Mapping[str, int]] | None = None,
    leaked_rows_dropped: int | None = None,
) -> Record:
    """Return the record of a task's tokenised data, which all cells of that task and tokenizer share.

    What only texts have is left out of others: `max_length`, `positions`, `truncation`.
    """
    return _record("dataset", locals(), ("max_length", "positions", "truncation", "leaked_rows_dropped"))


def prepared(
    *,
    cell: str,
    cell_digest: str,
    artefact: str,
    size_bytes: int,
    seconds: float,
    reused: bool,
    stages: Sequence[Mapping[str, Any]],
    provenance: Mapping[str, Any],
    label_matching: Mapping[str, Any] | None = None,
    per_row: Mapping[str, int] | None = None,
) -> Record:
    """Return the record of a cell that has its artefact.

    `label_matching` is there only where the model came with a head: how its outputs stand for the task's labels.
    `per_row` is there where the multiplications of the FP32 network are known.
    """
    return _record("prepared", locals(), optional=("label_matching", "per_row"))


def peak(*, cores: Sequence[int], threads: int, int8_per_second: float, size: int, kernel: str) -> Record:
    """Return the record of the fastest 8-bit matrix product on the cores that cells are pinned to."""
    return _record("peak", locals())


def trial(
    *,
    cell: str,
    cell_digest: str,
    index: int,
    recipe: Mapping[str, Any],
    recipe_digest: str,
    fallback: Sequence[str],
    status: str,
    kind: str | None,
    message: str,
    metric: Mapping[str, Any] | None,
    rows: int | None,
    latency_ns: float | None,
    size_bytes: int | None,
    seconds: float,
    reused: bool,
) -> Record:
    """Return the record of one candidate of a cell's tuning, whatever became of it."""
    return _record("trial", locals())


def accuracy(
    *,
    cell: str,
    cell_digest: str,
    artefact: str,
    tokenised: str,
    reused: bool,
    executed: Mapping[str, Any],
    metric: Mapping[str, Any],
    predictions: Sequence[float],
    logits_sha256: str,
    rows: int,
    seconds: float,
) -> Record:
    """Return the record of an artefact's accuracy on this host, with every prediction."""
    return _record("accuracy", locals())


def invocation(
    *,
    cell: str,
    cell_digest: str,
    artefact: str,
    block: int,
    order: int,
    peak_memory_bytes: int,
    wall_seconds: float,
    process_seconds: float,
    voluntary_switches: int,
    involuntary_switches: int,
    import_seconds: float,
    load_seconds: float,
    rss_loaded_bytes: int,
    threads: int,
    cores: Sequence[int],
    series: Sequence[Mapping[str, Any]],
    control: Mapping[str, Any],
    system: Mapping[str, Any],
    timer_ns: float,
    ring: Sequence[int] | None = None,
    placement: Mapping[str, Any] | None = None,
    replacement: bool | None = None,
) -> Record:
    """Return the record of one fresh process that loaded an artefact and measured it, with its raw samples.

    `ring` holds the `order` of each invocation of the run that was timed in turns with this one, its own among them;
    `replacement` is there only where its block was measured in the place of a disturbed one.
    """
    return _record("invocation", locals(), optional=("ring", "placement", "replacement"))


def scenario(
    *,
    cell: str,
    cell_digest: str,
    artefact: str,
    block: int,
    scenario: str,
    generator: str,
    batch_size: int,
    sequence_length: int | None,
    tokens: Sequence[int],
    cores: Sequence[int],
    threads: int,
    steady: bool,
    warmup_ns: Sequence[int],
    valid: bool,
    per_second: float | None,
    percentile: float | None,
    limit_ns: int | None,
    percentiles: Sequence[Mapping[str, Any]],
    probes: Sequence[Mapping[str, Any]],
    layouts: Sequence[Mapping[str, Any]],
    peak_memory_bytes: int,
    wall_seconds: float,
    process_seconds: float,
    system: Mapping[str, Any] | None,
    placement: Mapping[str, Any] | None = None,
) -> Record:
    """Return the record of a cell in one scenario, with the raw times of all that was tried."""
    return _record("scenario", locals(), optional=("placement",))


def failure(
    *,
    cell: str,
    cell_digest: str,
    stage: str,
    kind: str,
    message: str,
    block: int | None,
    log_tail: str,
    scenario: str | None = None,
) -> Record:
    """Return the record of a cell (`block` None), of one invocation or of one `scenario` that failed."""
    return _record("failure", locals(), optional=("scenario",))


def end(status: str, counts: Mapping[str, int], seconds: float) -> Record:
    """Return the last record of a session; `status` is ``complete`` or ``interrupted``."""
    return _record("end", locals())


def encode(record: Record) -> bytes:
    """Return the record as its line, newline included.

    Raises
    ------
    ValueError : it does not fit the schema, or holds NaN or infinity: a bug of ours, so it must not reach the file.
    """
    check(record)
    # ASCII only: the tail of a log may hold bytes that are no text, which UTF-8 could not carry.
    return json.dumps(record, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def check(record: Record) -> None:
    """Raise ValueError, naming the field, unless the record fits the schema of its type."""
    validators = _validators()
    kind = record.get("type")
    if not isinstance(kind, str) or kind not in validators:
        raise ValueError(f"no record type {kind!r}{nearest(str(kind), validators)}")
    error = next(validators[kind].iter_errors(record), None)
    if error is not None:
        message = str(error.cause or error.message)
        raise ValueError(f"record {kind}: {error.json_path}: {message[-_MESSAGE_LENGTH:]}")


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


def _record(kind: str, fields: Mapping[str, Any], optional: Sequence[str] = ()) -> Record:
    """Return the record of a type; of its `optional` fields those that are None are not written."""
    there = {name: value for name, value in fields.items() if value is not None or name not in optional}
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"type": kind, "schema": SCHEMA, "time": now, **_plain(there)}


def _plain(value: Any) -> Any:
    """Return mappings and dataclasses as dicts and tuples as lists, so that a record equals what is read back."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return list(value) if set(map(type, value)) <= {int, float, str} else [_plain(item) for item in value]
    return value


@functools.cache
def _validators() -> dict[str, Draft202012Validator]:
    """Return one compiled validator for each record type."""
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    whole = extend(Draft202012Validator, {"items": _items}, type_checker=TYPES)(schema, format_checker=_FORMATS)
    names = [part["$ref"].rpartition("/")[2] for part in schema["oneOf"]]
    return {name: whole.evolve(schema=schema["$defs"][name]) for name in names}


#: JSON Schema takes 2.0 for an integer, but readers count and cut with integers.
TYPES = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)

_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("identifier", raises=ValueError)
def _is_identifier(value: Any) -> bool:
    return not isinstance(value, str) or bool(identifiers.checked(value))


@_FORMATS.checks("utc-milliseconds", raises=ValueError)
def _is_time(value: Any) -> bool:
    """Check what the pattern of the schema cannot: that there is such a day and time."""
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


_PYTHON_TYPES = {"integer": {int}, "number": {int, float}, "string": {str}}


def _items(validator: Any, items: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """Check a list of numbers or strings as a whole: one by one takes 100 ms for the samples of an invocation."""
    if isinstance(instance, list) and instance and items.keys() <= {"type", "minimum"}:
        types = _PYTHON_TYPES.get(items["type"]) if isinstance(items["type"], str) else None
        fits = types is not None and set(map(type, instance)) <= types
        if fits and ("minimum" not in items or (str not in types and min(instance) >= items["minimum"])):
            return
    yield from Draft202012Validator.VALIDATORS["items"](validator, items, instance, schema)
