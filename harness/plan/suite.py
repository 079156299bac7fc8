"""A suite: a named, versioned matrix of axes, exclusions with their reasons, and gates, read from one YAML file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

from harness.config.bounds import SEEDS
from harness.config.cell import digest
from harness.config.schema import AXES
from harness.errors import UserError, nearest, shown
from harness.host.describe import ISA_FLAGS
from harness.plan.gate import Gate, check_gate
from harness.plan.suite_names import check_baseline, check_match, require_field
from harness.plan.yaml_file import read_yaml
from harness.text.printable import is_plain

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
    values = _mapping(read_yaml(path), f"{path}")
    _known(values, _KEYS, f"{path}")
    if "axes" not in values:
        raise UserError(f"{path}: axes is missing; want a mapping of {', '.join(AXES)} to options")
    axes = _mapping(values["axes"], f"{path}: axes")
    _known(axes, tuple(AXES), f"{path}: axes")
    suite = Suite(
        name=_file_name(_text(values.get("name", path.stem), f"{path}: name"), f"{path}: name"),
        version=_whole(values.get("version", 1), f"{path}: version"),
        description=_words(values.get("description", ""), f"{path}: description"),
        axes={axis: tuple(_entry(item, f"{path}: axes.{axis}") for item in _list(axes[axis])) for axis in axes},
        exclude=tuple(_exclusion(item, f"{path}: exclude") for item in _items(values, "exclude", path)),
        gates=tuple(_gate(item, f"{path}: gates") for item in _items(values, "gates", path)),
        baseline={
            axis: _text(value, f"{path}: baseline.{axis}")
            for axis, value in _mapping(values.get("baseline", {}), f"{path}: baseline").items()
        },
        seed=_whole(values.get("seed", 0), f"{path}: seed"),
    )
    check_baseline(suite.baseline, suite.axes, f"{path}: baseline")
    named = [gate.name for gate in suite.gates if gate.name != str(dict(gate.require))]
    for gate in suite.gates:
        if named.count(gate.name) > 1:
            raise UserError(f"{path}: gates: two gates are named '{shown(gate.name)}'; want a name of its own for each")
        check_match(gate.match, suite.axes, f"{path}: gates: gate {gate.name}: match")
        check_gate(gate, f"{path}: gates", bool(suite.baseline))
    return suite


def _entry(item: Any, where: str) -> Entry:
    """Read ``ptq_static``, or ``{ptq_static: {calibration.samples: 50, label: static50}}``."""
    if isinstance(item, str):
        return Entry(item)
    item = _mapping(item, where)
    if len(item) != 1:
        raise UserError(f"{where}: want a name, or one name with its fields, found {shown(item)}")
    name, fields = next(iter(item.items()))
    fields = dict(_mapping(fields, f"{where}: {name}"))
    label = fields.pop("label", None)
    if "name" in fields:
        raise UserError(f"{where}: {name}: its name is that of its file; want label for another one on tables")
    return Entry(name, fields, None if label is None else _text(label, f"{where}: {name}: label"))


def _exclusion(item: Any, where: str) -> Exclusion:
    item = _mapping(item, where)
    _known(item, ("match", "because", "without"), where)
    without = tuple(_text(flag, f"{where}: without") for flag in _list(item.get("without", [])))
    _known(without, ISA_FLAGS, f"{where}: without", "instruction set")
    if not item.get("because"):
        raise UserError(f"{where}: {shown(item.get('match'))} needs a reason (because: ...)")
    return Exclusion(_match(item.get("match", {}), where), _words(item["because"], f"{where}: because"), without)


def _gate(item: Any, where: str) -> Gate:
    item = _mapping(item, where)
    _known(item, ("name", "match", "when", "require"), where)
    if not item.get("require"):
        raise UserError(
            f'{where}: {shown(item.get("name"))} requires nothing; want e.g. require: {{speedup: ">= 1.5"}}'
        )
    return Gate(
        name=_text(item.get("name", str(item["require"])), f"{where}: name"),
        require={key: str(value) for key, value in _mapping(item["require"], f"{where}: require").items()},
        match=_match(item.get("match", {}), where),
        when={key: str(value) for key, value in _mapping(item.get("when", {}), f"{where}: when").items()},
    )


def _match(item: Any, where: str) -> dict[str, tuple[Any, ...]]:
    item = _mapping(item, f"{where}: match")
    _known([key.split(".")[0] for key in item], tuple(AXES), f"{where}: match")
    for key in item:
        require_field(key, f"{where}: match")
    return {key: tuple(_list(value)) for key, value in item.items()}


def _whole(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise UserError(f"{where}: want a whole number, found {shown(repr(value))}")
    if not 0 <= value < SEEDS:
        raise UserError(f"{where}: want a number from 0 to {SEEDS - 1}, found {shown(value)}")
    return value


def _text(value: Any, where: str) -> str:
    """Return what a name or label is on tables: a number counts as its text."""
    if isinstance(value, (bool, list, dict, NoneType)) or not is_plain(str(value)) or not str(value).strip():
        raise UserError(f"{where}: want a name on one line, found {shown(value)}")
    return str(value)


def _file_name(text: str, where: str) -> str:
    """Return a suite's name, of which the names of its runs are made."""
    if "/" in text or text.startswith("."):
        raise UserError(f"{where}: want a name without '/' that begins with no dot, found {shown(text)}")
    return text


def _words(value: Any, where: str) -> str:
    """Return a text that may have several lines."""
    if isinstance(value, (list, dict, NoneType)):
        raise UserError(f"{where}: want text, found {shown(value)}")
    return str(value)


def _items(values: Mapping[str, Any], key: str, path: Path) -> list[Any]:
    """Return a suite's exclusions or gates, none where it does not speak of them."""
    if values.get(key, []) is None:
        raise UserError(f"{path}: {key}: want a list of mappings, found null")
    return _list(values.get(key, []))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _mapping(value: Any, where: str) -> Mapping[Any, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{where}: want a mapping, found {shown(value)}")
    return value


def _known(keys: Any, valid: tuple[str, ...], where: str, what: str = "key") -> None:
    for key in keys:
        if key not in valid:
            raise UserError(f"{where}: no {what} '{shown(key)}'{nearest(str(key), valid)}")
