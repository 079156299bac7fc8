"""Puts a session together from a plan: the host, the environments it builds, the run it begins or goes on with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config import emulation
from harness.config.schema import AXES
from harness.errors import StageError
from harness.execute.artefacts.prepare import Preparation
from harness.execute.artefacts.sources import Sources
from harness.execute.artefacts.store import Artefacts
from harness.execute.environments import pins
from harness.execute.environments.pinned import Environments
from harness.execute.process.alone import alone
from harness.execute.process.import_closure import PACKAGE
from harness.execute.process.request import Children
from harness.execute.run import anonymous, conditions
from harness.execute.run.code import Code, own
from harness.execute.run.session import Session
from harness.execute.run.view import View
from harness.host import describe as hosts
from harness.plan.matrix import Plan
from harness.results import store
from harness.results.records import record


@dataclass(frozen=True)
class Place:
    """Where a session keeps things: the results it writes and the cache it may be robbed of at any time."""

    results: Path
    cache: Path


def open_session(
    plan: Plan,
    environments: Environments,
    place: Place,
    view: View,
    *,
    begin_anew: bool = False,
    after_block: Callable[[Sequence[record.Record], int], None] = lambda lines, block: None,
) -> Session:
    """Return the session that brings `plan` to its end on this host: its interrupted run, if there is one, else a new.

    An environment that cannot be built is no reason to stop: its cells become failure records.
    """
    code = own()
    writer, lines = open_writer(place, make_header(plan, environments, place, code), view, begin_anew)
    return assemble(plan, environments, place, view, writer, lines, code, after_block)


def open_writer(
    place: Place, header: record.Record, view: View, begin_anew: bool = False
) -> tuple[store.RunWriter, list[record.Record]]:
    """Return the writer and the records so far of the interrupted run of this plan, if there is one, else of a new."""
    unfinished = None if begin_anew else store.unfinished(place.results, header)
    if unfinished is None:
        other = None if begin_anew else store.unfinished(place.results, header, of_any=True)
        if other is not None:
            why = conditions.why_not(store.read_run(other)[0], header) or "with other code"
            view.note(f"run {other.stem} of this plan was begun {why}: it stays as it is; a new one begins")
        return store.RunWriter.create(place.results, header), [header]
    writer = store.RunWriter.resume(unfinished)
    lines = store.read_run(unfinished)
    view.note(f"going on with run {writer.run}: {len(lines)} records are there")
    return writer, lines


def make_header(plan: Plan, environments: Environments, place: Place, code: Code, **fields: Any) -> dict[str, Any]:
    """Return the header of a new run, after storing the host and the locks that it names.

    `code` is what its children run; `fields` go beside or in the place of the header's own.
    """
    host = hosts.describe()
    fingerprint = hosts.fingerprint(host)
    locks = {name: environments.lock_hash(name) for name in plan.environments}
    store.save_host(place.results, fingerprint, dataclasses.asdict(host))
    lock_sha256 = {name: _store_lock(environments, name, lock_hash, place) for name, lock_hash in locks.items()}
    emulated = any(not emulation.is_timed(cell.host) for cell in plan.cells)
    emulator = f"{emulation.QEMU} {emulation.version()}" if emulated else None
    where = {"limits": conditions.limits(host), "placements": conditions.placements(plan, host)}
    return _header(
        plan, fingerprint, locks, lock_sha256=lock_sha256, harness=code.header, emulator=emulator, **where, **fields
    )


def _store_lock(environments: Environments, name: str, lock_hash: str, place: Place) -> str:
    """Store an environment's lock unless it is, and return the SHA-256 of the file that is there.

    An earlier run may have stored the same pins with other comments.
    """
    lock = environments.lock(name)
    path = store.save_environment(place.results, name, lock_hash, lock.content.decode())
    stored = pins.read(path)
    if sorted(stored.lines) != sorted(lock.lines):
        raise StageError("damaged", f"{path}: it was edited; remove it, and the lock of {name} is stored again")
    return stored.sha256


def assemble(
    plan: Plan,
    environments: Environments,
    place: Place,
    view: View,
    writer: store.RunWriter,
    lines: list[record.Record],
    code: Code,
    after_block: Callable[[Sequence[record.Record], int], None] = lambda lines, block: None,
    artefacts: Artefacts | None = None,
) -> Session:
    """Return the session that goes on with a run: `lines` are its records so far, `code` is what its children run.

    `artefacts` stand in the place of the cache's own.
    """
    host = hosts.describe()
    pythons, broken = _build(environments, plan.environments, view)
    own_path = {} if code.known is None else {"PYTHONPATH": str(alone(code.package))}
    children = Children(
        pythons=pythons,
        host=host,
        memory_bytes=hosts.memory_bytes(host),
        logs=place.cache / "logs" / writer.run,
        cache=place.cache,
        variables={name: {**environments.variables(name), **own_path} for name in pythons},
        encode=code.encode,
    )
    artefacts = artefacts or Artefacts(place.cache / "artefacts")
    preparation = Preparation(children, artefacts, Sources(place.cache), view.progress)
    return Session(
        cells=list(plan.cells),
        writer=writer,
        lines=lines,
        children=children,
        preparation=preparation,
        locks={name: environments.lock_hash(name) for name in plan.environments},
        broken=broken,
        host=hosts.fingerprint(host),
        view=view,
        seed=plan.suite.seed,
        after_block=after_block,
        package=code.package,
        baseline=plan.suite.baseline,
        shorten=anonymous.shortener(_folders(environments, place, code)),
    )


def _folders(environments: Environments, place: Place, code: Code) -> list[tuple[str, Path]]:
    """Return the folders from which the paths in a run's records are written."""
    known = environments.catalogue
    projects = dict.fromkeys(folder.parent for folder in (*known.conf, *known.suites))
    return [
        *(("<code>", folder) for package in (code.package, PACKAGE) for folder in (alone(package), package.parent)),
        *(("<cache>", place.cache), ("<results>", place.results)),
        *(("<project>", folder) for folder in (*projects, Path.cwd())),
        *anonymous.home(),
    ]


def _build(environments: Environments, names: list[str], view: View) -> tuple[dict[str, Path], dict[str, StageError]]:
    pythons: dict[str, Path] = {}
    broken: dict[str, StageError] = {}
    for name, found in environments.build_all(names, view.building, view.note).items():
        if isinstance(found, StageError):
            broken[name] = found
            view.note(f"  environment {name}: failed({found.kind}): {found.message}")
        else:
            pythons[name] = found
            if note := environments.note(name):
                view.note(f"  environment {name}: {note}")
    return pythons, broken


def _header(plan: Plan, host: str, locks: dict[str, str], **fields: Any) -> dict[str, Any]:
    suite = plan.suite
    digests = {(option.axis, option.label): option.digest for option in plan.options}
    return record.header(
        run=fields.pop("run", None) or store.new_run(suite.name),
        suite={"name": suite.name, "version": suite.version, "digest": suite.digest},
        overrides=list(plan.overrides),
        host=host,
        environments=locks,
        options=[
            {
                "digest": option.digest,
                "axis": option.axis,
                "label": option.label,
                "config": dataclasses.asdict(option.config),
            }
            for option in plan.options
        ],
        cells=[_cell(cell, digests) for cell in plan.cells],
        excluded=[
            {
                "key": item.cell.key,
                "labels": list(item.cell.labels),
                "kind": item.reason.kind,
                "because": item.reason.because,
            }
            for item in plan.excluded
        ],
        baseline=dict(suite.baseline),
        gates=[dataclasses.asdict(gate) for gate in suite.gates],
        seed=suite.seed,
        **fields,
    )


def _cell(cell: Any, digests: dict[tuple[str, str], str]) -> dict[str, Any]:
    named = zip(AXES, cell.labels, strict=True)
    return {
        "key": cell.key,
        "digest": cell.digest,
        "labels": list(cell.labels),
        "options": [digests[axis, label] for axis, label in named],
    }
