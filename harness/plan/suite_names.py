"""What a suite's matches and its baseline name, held against its own axes: a name that fits nothing is a mistake."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from harness.config.schema import AXES
from harness.errors import UserError, nearest, shown


class _Entry(Protocol):
    """An option of an axis as a suite names it."""

    @property
    def name(self) -> str: ...

    @property
    def label(self) -> str | None: ...


def require_field(key: str, where: str) -> None:
    """Raise UserError where the part of a match's key behind its axis, such as ``approach.weight.dtype``, is no field.

    What stands below a mapping without a schema, such as ``approach.options.x``, is not known.
    """
    axis, *parts = key.split(".")
    schema = AXES[axis]
    for part in parts:
        fields = typing.get_type_hints(schema) if dataclasses.is_dataclass(schema) else {}
        if part not in fields:
            raise UserError(f"{where}: {shown(key)}: no such field{nearest(part, fields)}")
        schema = fields[part]
        if typing.get_origin(schema) is dict:
            return


def check_match(match: Mapping[str, Sequence[Any]], axes: Mapping[str, Sequence[_Entry]], where: str) -> None:
    """Raise UserError for the first option that a match names and the suite's axes have not got.

    An option is named by its label, or by its name where it has no label. Nothing is known yet of an axis that the
    suite leaves to the command line, nor of the fields of options (see :mod:`harness.plan.reach`).
    """
    for key, values in match.items():
        if key in axes:
            require_option(key, values, [entry.label or entry.name for entry in axes[key]], (), where)


def check_baseline(baseline: Mapping[str, str], axes: Mapping[str, Sequence[_Entry]], where: str) -> None:
    """Raise UserError for the first axis or option of a baseline that the suite has not got, by label or by name."""
    for axis, value in baseline.items():
        if axis not in AXES:
            raise UserError(f"{where}: no axis '{shown(axis)}'{nearest(axis, AXES)}")
        if axis in axes:
            named = {name for entry in axes[axis] for name in (entry.label or entry.name, entry.name)}
            require_option(axis, [value], named, (), where)


def require_option(
    axis: str, values: Iterable[Any], names: Collection[str], others: Collection[str], where: str
) -> None:
    """Raise UserError for the first of `values` that is none of a suite's `names` of an axis, nor of the `others`."""
    for value in values:
        if not {str(value), str(value).split("[")[0]}.intersection((*names, *others)):
            raise UserError(f"{where}: no {axis} '{shown(value)}' among the suite's{nearest(str(value), names)}")
