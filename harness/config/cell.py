"""A cell: one point of the matrix, frozen and hashable, with a key that is stable across runs and hosts."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from harness.config.schema import (
    AXES,
    ApproachConfig,
    BackendConfig,
    HostConfig,
    ModelConfig,
    ProtocolConfig,
    TaskConfig,
    TunerConfig,
)


def canonical(value: Any) -> str:
    """Return the one JSON text of a config: sorted keys, no spaces; equal configs give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    """Return a dataclass as a dict, any other iterable as a list; its parts come here in their turn."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return list(value)


def digest(value: Any, length: int = 16) -> str:
    """Return the first `length` hex digits of the SHA-256 of :func:`canonical` text."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:length]


@dataclass(frozen=True, eq=False)
class Option:
    """One option of an axis: its label on tables (name, and the overridden fields in brackets) and its config."""

    axis: str
    label: str
    config: Any
    digest: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a cell is not run. `kind` is 'excluded' (the suite says so) or 'unsupported' (it cannot run)."""

    kind: str
    because: str


@dataclass(frozen=True, eq=False)
class Cell:
    """One point of the matrix. `key` names it, `digest` also covers every field of its configs."""

    key: str
    digest: str
    model: ModelConfig
    task: TaskConfig
    approach: ApproachConfig
    backend: BackendConfig
    tuner: TunerConfig
    host: HostConfig
    protocol: ProtocolConfig
    labels: tuple[str, ...]  # one label an axis, in the order of AXES

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cell) and other.digest == self.digest

    @property
    def group(self) -> str:
        """The comparison group: cells whose speed-ups and accuracies are compared with each other."""
        return "/".join((self.labels[0], self.labels[1], *self.labels[5:]))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, as a child receives them; :func:`cell_from_dict` is the inverse."""
        fields = {axis: dataclasses.asdict(getattr(self, axis)) for axis in AXES}
        return {"key": self.key, "digest": self.digest, "labels": list(self.labels), **fields}


T = TypeVar("T")


def find_baseline(
    group: Sequence[T], wanted: Mapping[str, str], names: Callable[[T, str], tuple[str, str]]
) -> T | None:
    """Return the one member of a comparison group that a suite's baseline (axis -> label or name) means, or None.

    Labels go before names. Two that fit, or a suite that names none, give None: to take one would be a guess.

    Parameters
    ----------
    names : gives a member's label on an axis, and the name of its option there.
    """
    for place in (0, 1):
        found = [one for one in group if all(names(one, axis)[place] == text for axis, text in wanted.items())]
        if found:
            return found[0] if wanted and len(found) == 1 else None
    return None


def baseline_of(group: Sequence[Cell], wanted: Mapping[str, str]) -> Cell | None:
    """Return the cell of a comparison group that a suite's baseline means, as :func:`find_baseline` does."""
    places = {axis: place for place, axis in enumerate(AXES)}
    return find_baseline(group, wanted, lambda cell, axis: (cell.labels[places[axis]], getattr(cell, axis).name))


def cell_from_dict(values: dict[str, Any]) -> Cell:
    """Build a cell from :meth:`Cell.to_dict` values (after JSON)."""
    configs = {axis: from_dict(schema, values[axis]) for axis, schema in AXES.items()}
    return Cell(key=values["key"], digest=values["digest"], labels=tuple(values["labels"]), **configs)


def from_dict(schema: type, values: dict[str, Any]) -> Any:
    """Build the frozen dataclass `schema` from plain values that were checked before; lists become tuples."""
    hints = typing.get_type_hints(schema)
    built = {}
    for name, value in values.items():
        hint = hints[name]
        if isinstance(hint, types.UnionType):
            hint = next(part for part in typing.get_args(hint) if part is not type(None))
        if isinstance(hint, type) and dataclasses.is_dataclass(hint) and value is not None:
            value = from_dict(hint, value)
        elif isinstance(value, list):
            value = tuple(value)
        built[name] = value
    return schema(**built)
