"""One variant of a comparison, from what a person calls it to its cells, environments and code.

::

    VARIANT = PART[+PART...]
    PART = now | RUN | rev:GITREV | code:FOLDER | lock:NAME=FILE | with:PACKAGE==VERSION

A stored run brings back its configs and its environments, from their locks; its measuring protocol and its code are
today's, unless ``rev:`` or ``code:`` say otherwise. Without one, configs and environments are today's too.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.config.cell import Cell, Option, digest
from harness.config.schema import AXES
from harness.errors import StageError, UserError, nearest
from harness.execute.compare import foreign_code
from harness.execute.compare.rerun import stored_environments
from harness.execute.environments import pins
from harness.execute.environments.pinned import Environments
from harness.execute.run import code as codes
from harness.execute.run.assemble import Place
from harness.execute.run.code import Code
from harness.plan import compose
from harness.plan.matrix import Plan, cell_of
from harness.results import store
from harness.results.files import is_file
from harness.results.records.record import Record

PREFIXES = ("rev", "code", "lock", "with")

#: A plus sign that begins another part; versions hold such signs too (2.12.1+cpu).
_NEXT = re.compile(r"\+(?=now(?:\+|$)|(?:" + "|".join(PREFIXES) + r"):)")

_PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;*=]+)")


@dataclass(frozen=True)
class Parts:
    """A variant as a person names it: `base` is ``now`` or a stored run, `code` a part ``rev:`` or ``code:``.

    `locks` maps an environment to another lock file, `with_pins` a package to another version.
    """

    label: str
    base: str
    code: str | None
    locks: Mapping[str, Path]
    with_pins: Mapping[str, str]

    @property
    def is_stored_run(self) -> bool:
        """Whether the variant is a stored run and nothing else, so that its records are its figures."""
        return self.base != "now" and self.code is None and not self.locks and not self.with_pins


@dataclass(frozen=True)
class Variant:
    """What is run in one variant: the plan of its cells, the environments it runs in, and the code its children run.

    `run` is the stored run that it brings back, None where it is today's; `foreign` is what that names and would run as
    code.
    """

    label: str
    plan: Plan
    environments: Environments
    code: Code
    run: Path | None = None
    foreign: tuple[str, ...] = ()


def parse(text: str) -> Parts:
    """Read a variant as it stands on the command line.

    Raises
    ------
    UserError : an unknown prefix, a part without what belongs to it, or two parts that exclude each other.
    """
    parts = _NEXT.split(text)
    bases = [part for part in parts if part.partition(":")[0] not in PREFIXES]
    if len(bases) > 1:
        raise UserError(f"variant {text}: {bases[0]} and {bases[1]} exclude each other; one run, or now")
    code, locks, with_pins = None, {}, {}
    for part in parts:
        prefix, colon, rest = part.partition(":")
        if colon and prefix not in PREFIXES and not is_file(Path(part)):
            raise UserError(f"variant {text}: no kind of variant '{prefix}:'{nearest(prefix, PREFIXES)}")
        if not part or (prefix in PREFIXES and not rest):
            raise UserError(f"variant {text}: {part or 'a part'} is empty; want e.g. rev:HEAD~1 or with:torch==2.12.1")
        if prefix in ("rev", "code"):
            if code is not None:
                raise UserError(f"variant {text}: {code} and {part} exclude each other; one revision or folder of code")
            code = part
        elif prefix == "lock":
            name, equals, file = rest.partition("=")
            if not (name and equals and file):
                raise UserError(f"variant {text}: {part}: want lock:NAME=FILE, the name of an environment and its lock")
            locks[name] = Path(file)
        elif prefix == "with":
            pin = _PIN.fullmatch(rest)
            if pin is None:
                raise UserError(f"variant {text}: {part}: want with:PACKAGE==VERSION, e.g. with:torch==2.12.1")
            with_pins[pins.normal(pin["name"])] = pin["version"]
    return Parts(text, bases[0] if bases else "now", code, locks, with_pins)


def resolve(parts: Parts, plan: Plan, environments: Environments, place: Place, *, trusted: bool = False) -> Variant:
    """Return what is run in a variant, beside the cells of `plan`.

    Parameters
    ----------
    trusted : whether code that a stored run names may run.

    Raises
    ------
    UserError : no such run, lock, revision or package; a run of other cells, or one whose environments or configs
        cannot be brought back, or would run code that is not trusted.
    """
    run, found = None, []
    if parts.base != "now":
        run = store.find_run(place.results, parts.base)
        header = store.read_run(run)[0]
        plan = _plan_of(header, plan)
        now, environments = environments, _environments_of(header, plan, environments, place.results)
        found = foreign_code.of_cells(plan.cells, now.catalogue)
        found += foreign_code.of_locks(plan.environments, environments, now)
        foreign_code.require_trust(found, f"run {header['run']}", trusted)
    for name, file in parts.locks.items():
        if name not in plan.environments:
            raise UserError(
                f"variant {parts.label}: no cell runs in environment '{name}'{nearest(name, plan.environments)}"
            )
        if not is_file(file):
            raise UserError(f"variant {parts.label}: {file}: no such lock file")
    environments = environments.with_locks(parts.locks)
    if parts.with_pins:
        environments = environments.with_locks(_with(parts, plan, environments, place))
    return Variant(parts.label, plan, environments, _code(parts.code, place), run, tuple(found))


def _code(part: str | None, place: Place) -> Code:
    if part is None:
        return codes.own()
    prefix, _, rest = part.partition(":")
    return codes.of_folder(Path(rest)) if prefix == "code" else codes.of_revision(rest, place.cache)


def _environments_of(header: Record, plan: Plan, environments: Environments, results: Path) -> Environments:
    """Return the environments of a run, from its stored locks where they are not today's."""
    hashes = header["environments"]
    missing = next((name for name in plan.environments if name not in hashes), None)
    if missing is not None:
        raise UserError(f"run {header['run']}: it has no environment '{missing}', which its cells run in today")
    others = [name for name in plan.environments if hashes[name] != environments.lock_hash(name)]
    try:
        return stored_environments(environments, header, others, results)
    except StageError as error:
        raise UserError(f"run {header['run']} cannot be brought back: {error.message}") from error


def _with(parts: Parts, plan: Plan, environments: Environments, place: Place) -> dict[str, Path]:
    """Return the locks in which the wanted pins stand in the place of their own, written below the cache."""
    try:
        locks_now = {name: environments.lock(name) for name in plan.environments}
    except StageError as error:
        raise UserError(f"variant {parts.label}: {error.message}") from error
    held = {pin.name for lock in locks_now.values() for pin in lock.pins}
    for package in parts.with_pins:
        if package not in held:
            where = ", ".join(plan.environments)
            raise UserError(f"variant {parts.label}: no lock of {where} pins '{package}'{nearest(package, held)}")
    locks = {}
    for name, lock in locks_now.items():
        replaced = [
            f"{pin.name}=={parts.with_pins[pin.name]}" if pin.name in parts.with_pins else line
            for pin, line in zip(lock.pins, lock.lines, strict=True)
        ]
        if replaced != list(lock.lines):
            text = pins.text(replaced)
            path = place.cache / "locks" / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            locks[name] = path
    if not locks:
        given = ", ".join(f"{name}=={version}" for name, version in parts.with_pins.items())
        raise UserError(f"variant {parts.label}: every lock pins {given} already")
    return locks


def _plan_of(header: Record, plan: Plan) -> Plan:
    """Return the plan of those of a run's cells that `plan` has too, with its own protocol: `plan`'s order and keys."""
    stored = {entry["digest"]: entry for entry in header["options"]}
    entries = {tuple(entry["labels"][:-1]): entry for entry in header["cells"]}
    own = {(option.axis, option.label): option for option in plan.options}
    cells: list[Cell] = []
    options: dict[tuple[str, str], Option] = {}
    for cell in plan.cells:
        entry = entries.get(cell.labels[:-1])
        if entry is None:
            continue
        chosen = [_option(stored[one], header["run"]) for one in entry["options"][:-1]]
        chosen.append(own[list(AXES)[-1], cell.labels[-1]])
        options |= {(option.axis, option.label): option for option in chosen}
        cells.append(cell_of(chosen))
    if not cells:
        raise UserError(
            f"run {header['run']}: none of its cells is in the plan of suite={plan.suite.name}; "
            f"its own are of suite={header['suite']['name']}"
        )
    return dataclasses.replace(plan, cells=tuple(cells), options=tuple(options.values()), excluded=())


def _option(entry: Record, run: str) -> Option:
    axis, label = entry["axis"], entry["label"]
    try:
        built = compose.stored(axis, entry["config"], label)
    except UserError as error:
        raise UserError(f"run {run}: its {axis} {label} cannot be brought back: {error}") from error
    return Option(axis, label, built, digest([axis, built]))
