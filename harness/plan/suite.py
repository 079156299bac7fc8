"""A suite: a named, versioned matrix of axes, exclusions with their reasons, and gates, read from one YAML file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.errors import UserError, nearest
from harness.execute.host import ISA_FLAGS
from harness.plan.cell import digest
from harness.plan.config import AXES
from harness.plan.gate import Gate, check_gate
from harness.plan.suite_names import check_baseline, check_match

_KEYS = ("name", "version", "description", "axes", "exclude", "baseline", "gates", "seed")


@dataclass(frozen=True)
class Entry:
    """One option of an axis as a suite names it: the option, the fields it overrides, and its label on tables."""

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    label: str | None = None


@dataclass(frozen=True)
class Exclusion:
    """Cells that are not run. `match` maps an axis, or axis.field, to the values that are meant; all must hold.

    With `without`, only on hosts that have none of these instruction sets, and not where a command line names them.
    """

    match: Mapping[str, tuple[Any, ...]]
    because: str
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Suite:
    """A suite as its file says it, before any option is composed."""

    name: str
    version: int
    axes: Mapping[str, tuple[Entry, ...]]
    exclude: tuple[Exclusion, ...] = ()
    gates: tuple[Gate, ...] = ()
    baseline: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    description: str = ""

    @property
    def digest(self) -> str:
        """The suite's identity; a changed axis, exclusion or gate changes it."""
        values = dataclasses.asdict(self)
        for exclusion in values["exclude"]:
            if not exclusion["without"]:
                del exclusion["without"]  # as before there was such a field
        return digest(values)


def read_suite(path: Path) -> Suite:
    """Read a suite's file.

    Raises
    ------
    UserError : the file is no YAML, or a key, axis or value is not what it must be; a match or the baseline names what
        the suite has not got; or a gate asks what no table can answer.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    values = _mapping(values, f"{path}")
    _known(values, _KEYS, f"{path}")
    if "axes" not in values:
        raise UserError(f"{path}: axes is missing; want a mapping of {', '.join(AXES)} to options")
    axes = _mapping(values["axes"], f"{path}: axes")
    _known(axes, tuple(AXES), f"{path}: axes")
    suite = Suite(
        name=str(values.get("name", path.stem)),
        version=_whole(values.get("version", 1), f"{path}: version"),
        description=str(values.get("description", "")),
        axes={axis: tuple(_entry(item, f"{path}: axes.{axis}") for item in _list(axes[axis])) for axis in axes},
        exclude=tuple(_exclusion(item, f"{path}: exclude") for item in _list(values.get("exclude", []))),
        gates=tuple(_gate(item, f"{path}: gates") for item in _list(values.get("gates", []))),
        baseline={str(k): str(v) for k, v in _mapping(values.get("baseline", {}), f"{path}: baseline").items()},
        seed=_whole(values.get("seed", 0), f"{path}: seed"),
    )
    check_baseline(suite.baseline, suite.axes, f"{path}: baseline")
    for gate in suite.gates:
        check_match(gate.match, suite.axes, f"{path}: gates: gate {gate.name}: match")
        check_gate(gate, f"{path}: gates", bool(suite.baseline))
    return suite


def _entry(item: Any, where: str) -> Entry:
    """Read ``ptq_static``, or ``{ptq_static: {calibration.samples: 50, label: static50}}``."""
    if isinstance(item, str):
        return Entry(item)
    item = _mapping(item, where)
    if len(item) != 1:
        raise UserError(f"{where}: want a name, or one name with its fields, found {item!r}")
    name, fields = next(iter(item.items()))
    fields = dict(_mapping(fields, f"{where}: {name}"))
    label = fields.pop("label", None)
    return Entry(str(name), fields, None if label is None else str(label))


def _exclusion(item: Any, where: str) -> Exclusion:
    item = _mapping(item, where)
    _known(item, ("match", "because", "without"), where)
    without = tuple(str(flag) for flag in _list(item.get("without", [])))
    _known(without, ISA_FLAGS, f"{where}: without", "instruction set")
    if not item.get("because"):
        raise UserError(f"{where}: {item.get('match')} needs a reason (because: ...)")
    return Exclusion(_match(item.get("match", {}), where), str(item["because"]), without)


def _gate(item: Any, where: str) -> Gate:
    item = _mapping(item, where)
    _known(item, ("name", "match", "when", "require"), where)
    if not item.get("require"):
        raise UserError(f'{where}: {item.get("name")} requires nothing; want e.g. require: {{speedup: ">= 1.5"}}')
    return Gate(
        name=str(item.get("name", item["require"])),
        require={str(k): str(v) for k, v in _mapping(item["require"], where).items()},
        match=_match(item.get("match", {}), where),
        when={str(k): str(v) for k, v in _mapping(item.get("when", {}), where).items()},
    )


def _match(item: Any, where: str) -> dict[str, tuple[Any, ...]]:
    item = _mapping(item, f"{where}: match")
    _known([str(key).split(".")[0] for key in item], tuple(AXES), f"{where}: match")
    return {str(key): tuple(_list(value)) for key, value in item.items()}


def _whole(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise UserError(f"{where}: want a whole number, found {value!r}")
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _mapping(value: Any, where: str) -> Mapping[Any, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{where}: want a mapping, found {value!r}")
    return value


def _known(keys: Any, valid: tuple[str, ...], where: str, what: str = "key") -> None:
    for key in keys:
        if key not in valid:
            raise UserError(f"{where}: no {what} '{key}'{nearest(str(key), valid)}")
