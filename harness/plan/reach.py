"""Which cells a suite's exclusions, gates and baseline reach once its options are composed: none is a mistake."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from harness.config.cell import Cell, Option, Reason
from harness.config.schema import AXES
from harness.errors import UserError, nearest
from harness.plan.suite import Suite
from harness.plan.suite_names import require_option

_PLACES = {axis: place for place, axis in enumerate(AXES)}
_Axes = Mapping[str, Sequence[Option]]


def check_reach(
    suite: Suite,
    known: Callable[[str], Collection[str]],
    overridden: Collection[str],
    axes: _Axes,
    cells: Sequence[Cell],
    excluded: Sequence[tuple[Cell, Reason]],
) -> None:
    """Raise UserError for an exclusion or gate that fits no cell, or a baseline that is none or several cells.

    A command line may narrow a suite or widen it: then what it has overridden is not held against the suite. What a
    host cannot run is no mistake of the suite's either.

    Parameters
    ----------
    known : gives the names of all options of an axis, which a command line may add to the suite's.
    overridden : axes of which a command line has named options or fields.
    axes, cells, excluded : options, cells to run and cells left out of the plan.
    """
    for exclusion in suite.exclude:
        where = f"suite={suite.name}: exclude"
        _require_known(exclusion.match, suite, known, where)
        _labels(exclusion.match, axes, where, overridden)
    for gate in suite.gates:
        where = f"suite={suite.name}: gate {gate.name}"
        wanted = _labels(gate.match, axes, where, overridden)
        if not set(overridden) - {"protocol"}:
            _require_cell(wanted, where, suite, cells, excluded)
    if suite.baseline and not set(overridden) - {"protocol"}:
        _require_baseline(suite, cells, excluded)


def option_matches(option: Option, field: str, values: Sequence[Any]) -> bool:
    """Say whether an option is one of `values`: by its label, without overridden fields too, or by its `field`."""
    if not field:
        return option.label in values or option.label.split("[")[0] in values
    value: Any = option.config
    for part in field.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif hasattr(value, part):
            value = getattr(value, part)
        else:
            there = [one.name for one in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []
            raise UserError(f"match: {option.axis}.{field}: no such field{nearest(part, there)}")
    return value in values


def _labels(
    match: Mapping[str, Sequence[Any]], axes: _Axes, where: str, overridden: Collection[str]
) -> dict[str, set[str]]:
    """Return the labels of the options that a match means, for each axis it speaks of."""
    meant: dict[str, set[str]] = {}
    for key, values in match.items():
        axis, _, path = key.partition(".")
        found = {option.label for option in axes[axis] if option_matches(option, path, values)}
        if not found and axis not in overridden:
            there = ", ".join(sorted({_value(option, path) for option in axes[axis]}))
            wanted = ", ".join(map(str, values))
            raise UserError(f"{where}: match: no option of the suite has {key} {wanted}; there is {there}")
        meant[axis] = meant[axis] & found if axis in meant else found
    return meant


def _require_known(
    match: Mapping[str, Sequence[Any]], suite: Suite, known: Callable[[str], Collection[str]], where: str
) -> None:
    for axis, values in match.items():
        if axis in AXES:
            own = [entry.label or entry.name for entry in suite.axes.get(axis, ())]
            require_option(axis, values, own or known(axis), known(axis), f"{where}: match")


def _require_cell(
    wanted: Mapping[str, set[str]],
    where: str,
    suite: Suite,
    cells: Sequence[Cell],
    excluded: Sequence[tuple[Cell, Reason]],
) -> None:
    def meant(cell: Cell) -> bool:
        return all(cell.labels[_PLACES[axis]] in labels for axis, labels in wanted.items())

    if any(map(meant, cells)):
        return
    always = {exclusion.because for exclusion in suite.exclude if not exclusion.without}
    left_out = [reason for cell, reason in excluded if meant(cell)]
    if all(reason.kind == "excluded" and reason.because in always for reason in left_out):
        because = f"the suite excludes all that it fits: {left_out[0].because}" if left_out else "it fits no cell"
        raise UserError(f"{where}: match: {because}")


def _require_baseline(suite: Suite, cells: Sequence[Cell], excluded: Sequence[tuple[Cell, Reason]]) -> None:
    wanted = ", ".join(f"{axis}={label}" for axis, label in suite.baseline.items())
    where = f"suite={suite.name}: baseline {wanted}"
    groups: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[cell.group].append(cell)
    fitting = {name: list(_fitting(group, suite.baseline)) for name, group in groups.items()}
    for found in fitting.values():
        if len(found) > 1:
            raise UserError(f"{where}: {found[0].key} and {found[1].key} are both meant; want one cell, so say more")
    if any(fitting.values()):
        return
    left_out = [reason for cell, reason in excluded if list(_fitting([cell], suite.baseline))]
    if all(reason.kind == "excluded" for reason in left_out):
        because = f"the suite excludes it: {left_out[0].because}" if left_out else "it fits no cell"
        raise UserError(f"{where}: {because}")


def _fitting(group: Sequence[Cell], wanted: Mapping[str, str]) -> Iterator[Cell]:
    """Yield the cells that a baseline means: by their labels, else by the names of their options."""
    for name_of in (_label, _name):
        found = [cell for cell in group if all(name_of(cell, axis) == text for axis, text in wanted.items())]
        if found:
            yield from found
            return


def _label(cell: Cell, axis: str) -> str:
    return cell.labels[_PLACES[axis]]


def _name(cell: Cell, axis: str) -> str:
    return str(getattr(cell, axis).name)


def _value(option: Option, path: str) -> str:
    config = option.config
    for part in filter(None, path.split(".")):
        config = config.get(part) if isinstance(config, Mapping) else getattr(config, part, None)
    return str(config) if path else option.label
