"""From a suite and the command line's overrides to a plan: the cells, and each excluded one with its reason."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.backends.base import backend_class, unsupported
from harness.config import emulation, instructions, isa_cap
from harness.config.cell import Cell, Option, Reason
from harness.config.schema import AXES, LOADGEN_ENVIRONMENT, LOADGEN_SCENARIOS
from harness.errors import UserError, nearest
from harness.host import describe as hosts
from harness.host import placement
from harness.models import base as models
from harness.models import checkpoint
from harness.plan.catalogue import Catalogue
from harness.plan.compose import options
from harness.plan.overrides import Request, overridden, parse
from harness.plan.reach import check_reach, option_matches
from harness.plan.suite import Entry, Exclusion, Suite, read_suite
from harness.tasks import readers

_AXIS_NAMES = tuple(AXES)

#: Options of an axis, each of which takes milliseconds to be held against the schema; and points of a matrix, excluded
#: ones among them. Planning so many takes seconds, and running them years.
MOST_OPTIONS, MOST_CELLS = 200, 50_000

#: Of ``host.threads``: one option each for 1, 2, 4 ... threads, up to all that the host option has.
DOUBLING = "doubling"
_HOST = _AXIS_NAMES.index("host")


@dataclass(frozen=True)
class Excluded:
    """A cell that is not run, and why."""

    cell: Cell
    reason: Reason


@dataclass(frozen=True)
class Plan:
    """All cells of a suite after overrides. `options` holds every option of every axis."""

    suite: Suite
    overrides: tuple[str, ...]
    options: tuple[Option, ...]
    cells: tuple[Cell, ...]
    excluded: tuple[Excluded, ...]

    @property
    def environments(self) -> list[str]:
        """The environments that the cells need, in the order of their first use."""
        names = [name for cell in self.cells for name in (cell.model.environment, cell.backend.environment)]
        if any(set(LOADGEN_SCENARIOS).intersection(cell.protocol.scenarios) for cell in self.cells):
            names.append(LOADGEN_ENVIRONMENT)
        return list(dict.fromkeys(names))


def make_plan(catalogue: Catalogue, overrides: Sequence[str], host: hosts.Host | None = None) -> Plan:
    """Return the plan of the suite and overrides that a command line names.

    Parameters
    ----------
    host : the host that is planned for, whose instruction sets and cores decide what can run; None for this one.

    Raises
    ------
    UserError : any mistake in the suite, an option, a field or a value; or a matrix without cells.
    """
    request = parse(overrides)
    path = catalogue.suite(request.suite)
    suite = read_suite(path)
    host = host or hosts.describe()
    entries = {axis: _entries(catalogue, suite, request, axis) for axis in AXES}
    _require_size(suite, entries, request)
    axes = {axis: _axis_options(catalogue, axis, entries[axis], request.fields[axis], host, path) for axis in AXES}
    rules = [_Rule(exclusion, axes, request) for exclusion in suite.exclude]
    homeless = {option.label: placement.misfit(option.config, host) for option in axes["host"]}
    cells: list[Cell] = []
    excluded: list[Excluded] = []
    for chosen in itertools.product(*axes.values()):
        cell = cell_of(chosen)
        left = instructions.effective(cell.host, host.isa)
        because = next((rule.because for rule in rules if rule.holds(chosen, left)), None)
        if because is not None:
            excluded.append(Excluded(cell, Reason("excluded", because)))
            continue
        because = misfit(cell) or homeless[cell.labels[_HOST]] or emulation.misfit(cell)
        because = because or isa_cap.misfit(cell, host.isa) or _unsupported(cell, left)
        if because is not None:
            excluded.append(Excluded(cell, Reason("unsupported", because)))
        else:
            cells.append(cell)
    if not cells:
        first = excluded[0].reason.because
        raise UserError(f"suite={request.suite}: no cell is left to run; the first is out because: {first}")
    left_out = [(item.cell, item.reason) for item in excluded]
    check_reach(suite, catalogue.names, overridden(request), axes, cells, left_out)
    every = tuple(option for axis in axes.values() for option in axis)
    return Plan(suite, tuple(overrides), every, tuple(cells), tuple(excluded))


def _entries(catalogue: Catalogue, suite: Suite, request: Request, axis: str) -> list[Entry]:
    entries = list(suite.axes.get(axis, ()))
    if axis in request.replaced:
        # A suite's own entry of that name keeps the fields that the suite gives it.
        named = {entry.label or entry.name: entry for entry in entries}
        entries = [named.get(name, Entry(name)) for name in request.replaced[axis]]
    entries += [Entry(name) for name in request.added.get(axis, ())]
    if not entries:
        raise UserError(
            f"suite={suite.name}: axis {axis} has no option; name one, e.g. {axis}=..."
            f"{nearest('', catalogue.names(axis))}"
        )
    return entries


def _require_size(suite: Suite, entries: Mapping[str, Sequence[Entry]], request: Request) -> None:
    """Raise UserError for a matrix that nobody means, before its options are composed, which takes a while for each."""
    fields = {axis: math.prod(len(values) for values in request.fields[axis].values()) for axis in AXES}
    counts = {axis: len(entries[axis]) * fields[axis] for axis in AXES}
    for axis, count in counts.items():
        if count > MOST_OPTIONS:
            raise UserError(f"axis {axis}: {count} options; want {MOST_OPTIONS} at most")
    count = math.prod(counts.values())
    if count > MOST_CELLS:
        raise UserError(f"suite={suite.name}: {count} cells; want {MOST_CELLS} at most")


def _axis_options(
    catalogue: Catalogue,
    axis: str,
    entries: Sequence[Entry],
    given: Mapping[str, Sequence[Any]],
    host: hosts.Host,
    suite: Path,
) -> list[Option]:
    """Return the options of an axis; a mistake in a field that the file `suite` gives is told with that file."""
    built: list[Option] = []
    for entry in entries:
        fields = {path: [value] for path, value in entry.fields.items()} | {**given}
        try:
            if axis == "host" and DOUBLING in fields.get("threads", ()):
                fields["threads"] = _doubled(catalogue, entry.name, fields, host)
            built += options(catalogue, axis, entry.name, fields, entry.label)
        except UserError as error:
            if any(str(error).startswith(f"{axis}.{path}") for path in entry.fields if path not in given):
                raise UserError(f"{suite}: axes.{axis}: {entry.name}: {error}") from error
            raise
    labels = [option.label for option in built]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise UserError(f"axis {axis}: option {twice} is there twice; give one of them a label")
    return built


def _doubled(catalogue: Catalogue, name: str, fields: Mapping[str, Sequence[Any]], host: hosts.Host) -> list[int]:
    """Return 1, 2, 4 ... and at last all threads that a host option has on `host`."""
    without = {path: values for path, values in fields.items() if path != "threads"}
    most = 1
    for option in options(catalogue, "host", name, without):
        # What does not fit this host is left out later, with its reason.
        found = placement.placed(option.config, host)
        most = most if found is None else max(most, found.threads)
    return [*(2**power for power in range((most - 1).bit_length())), most]


def cell_of(chosen: Sequence[Option]) -> Cell:
    """Return the cell of one option an axis, in the order of :data:`AXES`."""
    # Only digests are joined here: serialising every config again would make planning quadratic in fields and cells.
    labels = tuple(option.label for option in chosen)
    identity = hashlib.sha256("/".join(option.digest for option in chosen).encode()).hexdigest()[:16]
    configs = {axis: option.config for axis, option in zip(AXES, chosen, strict=True)}
    return Cell(key="/".join(labels), digest=identity, labels=labels, **configs)


def _unsupported(cell: Cell, left: Sequence[str]) -> str | None:
    backend = backend_class(cell.backend.name)
    return unsupported(cell, left) or checkpoint.misfit(cell.model, backend.model_types)


def misfit(cell: Cell) -> str | None:
    """Return one line on why no backend can run the cell, or None."""
    reads, gives = models.modality(cell.model.architecture), readers.modality(cell.task.reader)
    if reads != gives:
        return f"model {cell.model.name} reads {reads}, task {cell.task.name} gives {gives}"
    if gives == "image" and cell.protocol.lengths == "real":
        return f"protocol.lengths=real: the images of task {cell.task.name} are all of one size; want padded"
    return None


class _Rule:
    """An exclusion, compiled into the set of option labels that it matches on each axis it speaks of.

    One that is for hosts without some instructions does not hold for an option that the command line asks for by name.
    """

    def __init__(self, exclusion: Exclusion, axes: Mapping[str, Sequence[Option]], request: Request):
        self.because = exclusion.because
        self._without = exclusion.without
        named = {axis: {*request.replaced.get(axis, ()), *request.added.get(axis, ())} for axis in AXES}
        matched: dict[str, set[str]] = {}
        for key, values in exclusion.match.items():
            axis, _, field = key.partition(".")
            found = {option.label for option in axes[axis] if option_matches(option, field, values)}
            if exclusion.without:
                found = {label for label in found if label.split("[")[0] not in named[axis]}
            matched[axis] = matched[axis] & found if axis in matched else found
        self._matched = [(_AXIS_NAMES.index(axis), labels) for axis, labels in matched.items()]

    def holds(self, chosen: Sequence[Option], isa: Sequence[str]) -> bool:
        if self._without and instructions.has(isa, self._without):
            return False
        return all(chosen[place].label in labels for place, labels in self._matched)


#: Turns a cell into what a person calls it: the labels that are not the only option of their axis in the plan.
Naming = Callable[[Cell], str]


def short_names(plan: Plan) -> Naming:
    """Return a function that leaves out of a cell's key the axes with one option only."""
    counts = {axis: sum(option.axis == axis for option in plan.options) for axis in AXES}
    places = [place for place, axis in enumerate(AXES) if counts[axis] > 1] or [0]
    return lambda cell: "/".join(cell.labels[place] for place in places)
