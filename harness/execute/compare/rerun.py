"""Runs a recorded cell again: its configs as they were stored, in the original environments, every hash checked."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.config.cell import Cell, Option
from harness.config.schema import AXES
from harness.errors import StageError, UserError, nearest
from harness.execute.artefacts.store import Artefact, Artefacts
from harness.execute.environments.pinned import Environments
from harness.execute.run.assemble import Place, assemble, make_header, open_writer
from harness.execute.run.code import own
from harness.execute.run.session import Counts
from harness.execute.run.view import View
from harness.plan import compose
from harness.plan.matrix import Plan
from harness.plan.suite import Suite
from harness.results import cells, store

Record = Mapping[str, Any]

#: Stages that a rerun makes again though the cache holds what they made: else it would compare that with itself.
EVALUATION = frozenset({"evaluate", "score"})

#: All stages: data, checkpoint and quantized model are made again too.
EVERYTHING = EVALUATION | {"tokenise", "finetune", "quantize", "tune"}


@dataclass
class Anew(Artefacts):
    """The artefacts of a cache, but for those of some stages, which are made again in a folder of their own."""

    stages: frozenset[str] = EVALUATION
    apart: Path = Path()
    _apart: Artefacts = field(init=False)

    def __post_init__(self) -> None:
        self._apart = Artefacts(self.apart)

    def ensure(self, stage: str, key: str, make: Callable[[Path], dict[str, Any]]) -> Artefact:
        """Return the artefact as :meth:`Artefacts.ensure` does, from the folder that is its stage's."""
        return self._apart.ensure(stage, key, make) if stage in self.stages else super().ensure(stage, key, make)

    def scratch(self, stage: str, key: str) -> Path:
        """Return a folder beside the artefact."""
        return self._apart.scratch(stage, key) if stage in self.stages else super().scratch(stage, key)


@dataclass(frozen=True)
class Rerun:
    """What is run again: the run's records, and its cell and its baseline as the header has them.

    `baseline` is None where there is none. `environments` are those of the stored locks.
    """

    records: Sequence[Record]
    entry: Record
    baseline: Record | None
    plan: Plan
    environments: Environments


def open_rerun(records: Sequence[Record], wanted: str, environments: Environments, results: Path) -> Rerun:
    """Return what running a recorded cell again takes.

    Parameters
    ----------
    records : of the run, the header first.
    wanted : the cell's key, or enough of its labels.
    environments : today's.
    results : the folder in which the original locks are stored.

    Raises
    ------
    UserError : no such cell.
    StageError : ``bad_config``: this harness does not know a field of the cell's, or does not take its value;
        ``missing_file``: a lock is not there; ``damaged``: its hash does not check; ``environment``: it is no lock.
    """
    header = records[0]
    entry = cells.the_one(header, wanted)
    baseline = cells.baseline(header, entry)
    plan = stored_plan(header, [entry] if baseline is None else [baseline, entry])
    return Rerun(records, entry, baseline, plan, stored_environments(environments, header, plan.environments, results))


def stored_plan(header: Record, entries: Sequence[Record]) -> Plan:
    """Return a plan of some cells of a run, with the configs, labels and digests that its header has stored.

    Raises
    ------
    StageError : ``bad_config``: a config has a field that this harness does not know, or a value that it does not take.
    """
    built = tuple(_cell(header, entry) for entry in {entry["digest"]: entry for entry in entries}.values())
    options = {option["digest"]: option for option in header["options"]}
    chosen = {digest: options[digest] for entry in entries for digest in entry["options"]}
    suite = header["suite"]
    return Plan(
        suite=Suite(suite["name"], suite["version"], axes={}, baseline=header["baseline"], seed=header["seed"]),
        overrides=tuple(header["overrides"]),
        options=tuple(_option(option, built) for option in chosen.values()),
        cells=built,
        excluded=(),
    )


def stored_environments(
    environments: Environments, header: Record, names: Sequence[str], results: Path
) -> Environments:
    """Return the environments that a run was made in, from the locks that are stored beside it.

    Raises
    ------
    StageError : ``bad_config``: there is no such environment; ``missing_file``: a lock is not there; ``damaged``: it
        does not have the hash that the header names, or that names none; ``environment``: it is no lock.
    """
    known = environments.catalogue.names("environment")
    for name in names:
        if name not in known:
            raise StageError("bad_config", f"no environment '{name}'{nearest(name, known)}")
        if not re.fullmatch(r"[0-9a-f]+", header["environments"].get(name, "")):
            raise StageError("damaged", f"environment {name}: the record names no hash of its lock")
    stored = {name: store.environment_file(results, name, header["environments"][name]) for name in names}
    for name, path in stored.items():
        if not path.is_file():
            raise StageError("missing_file", f"environment {name}: its original lock, {path}, is not there")
    then = environments.with_locks(stored)
    for name, path in stored.items():
        wanted, found = header["environments"][name], then.lock_hash(name)
        if found != wanted:
            raise StageError(
                "damaged",
                f"environment {name}: {path} has the hash {found}, the record names {wanted}; it was edited, or python "
                f"or no_deps in conf/environment/{name}.yaml have changed since",
            )
        # Older headers have the hash of the pins alone.
        of_bytes = header.get("lock_sha256", {}).get(name)
        if of_bytes is not None and then.lock(name).sha256 != of_bytes:
            raise StageError("damaged", f"environment {name}: {path} was edited; the record names SHA-256 {of_bytes}")
    return then


def carry_out(rerun: Rerun, place: Place, view: View, stages: frozenset[str]) -> tuple[Path, Counts]:
    """Run the cell and its baseline again as a run of its own, and return its file and what it holds.

    An interrupted rerun is gone on with. `stages` are made again even where the cache holds what they made.
    """
    code = own()
    header = make_header(rerun.plan, rerun.environments, place, code)
    original = rerun.records[0]
    header |= {
        "suite": dict(original["suite"]),
        "rerun_of": {"run": original["run"], "cell_digest": rerun.entry["digest"]},
    }
    writer, lines = open_writer(place, header, view)
    apart = place.cache / "reruns" / writer.run
    artefacts = Anew(place.cache / "artefacts", stages=stages, apart=apart)
    session = assemble(rerun.plan, rerun.environments, place, view, writer, lines, code, artefacts=artefacts)
    counts = session.run()
    shutil.rmtree(apart, ignore_errors=True)
    return writer.path, counts


def _cell(header: Record, entry: Record) -> Cell:
    where = f"cell {entry['key']}"
    try:
        stored = cells.configs(header, entry)
        named = zip(AXES, entry["labels"], strict=True)
        configs = {axis: compose.stored(axis, stored[axis], label) for axis, label in named}
    except (KeyError, ValueError) as error:
        raise StageError("damaged", f"{where}: its record lacks an option on an axis: {error}") from error
    except UserError as error:
        made = header["harness"]["revision"]
        raise StageError("bad_config", f"{where}: {error}; revision {made} made the record") from error
    return Cell(key=entry["key"], digest=entry["digest"], labels=tuple(entry["labels"]), **configs)


def _option(option: Record, built: Sequence[Cell]) -> Option:
    """Return a stored option; its config is that of a cell that has it."""
    axis, label = option["axis"], option["label"]
    config = next(getattr(cell, axis) for cell in built if cell.labels[list(AXES).index(axis)] == label)
    return Option(axis, label, config, option["digest"])
