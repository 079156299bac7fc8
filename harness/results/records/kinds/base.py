"""What all records share: their first fields, and the types that fields are made of, each with its bounds.

A field that a record may leave out has ``| UnsetType = UNSET``; one that is there with nothing to tell has ``| None``.
Units stand at the end of a field's name. A ``format`` is told to readers of the JSON Schema and of the documents.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from harness.results.records import identifiers


def says(meaning: str) -> Meta:
    """Return what a field means, for the JSON Schema and the documents."""
    return Meta(description=meaning)


#: ``$`` alone would let a newline stand behind it.
SHA256_PATTERN = r"^[0-9a-f]{64}$(?!\n)"
TIME_PATTERN = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$(?!\n)"

Text = Annotated[str, Meta(min_length=1)]
Digest = Annotated[str, Meta(min_length=1, extra_json_schema={"format": "digest"})]
Identifier = Annotated[str, Meta(pattern=identifiers.PATTERN, extra_json_schema={"format": "identifier"})]
Sha256 = Annotated[str, Meta(pattern=SHA256_PATTERN)]
#: Whether there is such a day is checked beside the pattern.
Time = Annotated[
    str,
    Meta(pattern=TIME_PATTERN, extra_json_schema={"format": "utc-milliseconds"}),
]

#: From 0, and from 1.
Count = Annotated[int, Meta(ge=0)]
Whole = Annotated[int, Meta(ge=1)]
#: Seconds, nanoseconds, rates and sizes that are no whole numbers.
Amount = Annotated[float, Meta(ge=0)]
Rate = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
#: A share of the queries, such as 0.99.
Percentile = Annotated[float, Meta(gt=0, lt=1)]

#: Lists that hold at least one.
Cpus = Annotated[list[Count], Meta(min_length=1)]
Timings = Annotated[list[Whole], Meta(min_length=1)]

#: Whatever its maker tells, by names of its own.
Free = dict[str, Any]

ScenarioName = Literal["single_stream", "server", "offline"]


class Part(Struct, kw_only=True, forbid_unknown_fields=True):
    """An object within a record."""


class Base(Part, tag_field="type", tag=str.lower):
    """A record, of whatever type."""

    schema: Annotated[Literal[1], Meta(extra_json_schema={"type": "integer"}), says("version of the format")]
    time: Annotated[Time, says("when the record was made: UTC, ISO 8601, milliseconds")]

    def __post_init__(self) -> None:
        try:
            datetime.fromisoformat(self.time)
        except ValueError as error:
            raise ValueError(f"time: {error}") from error


class OfCell(Base):
    """A record of one cell."""

    cell: Annotated[Text, says("key of the cell")]
    cell_digest: Annotated[Digest, says("of the cell, as in the header")]
