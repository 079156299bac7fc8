"""The stages that lead to a cell's artefact, each an artefact with a key of its own, made once and shared by key.

A key covers everything that can change the bytes: the configs a stage reads, the keys of its inputs, the lock of its
environment, and the source text of the modules that do the work. It does not cover how the result is measured.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import registry
from harness.config import emulation, isa_cap
from harness.config.cell import Cell, digest
from harness.execute.process.code_layout import layout_of
from harness.execute.process.import_closure import PACKAGE, closure


@dataclass(frozen=True)
class StageKeys:
    """The digests of a cell's stages; equal digests mean one shared artefact.

    `artefact` is that of the stage :func:`maker` names.
    """

    tokenise: str
    finetune: str
    artefact: str
    evaluate: str
    score: str


def cutter(cell: Cell) -> str:
    """Return the stage that makes rows of the task's data: ``windows`` of running text, ``tokenise`` of all else."""
    return "windows" if cell.task.kind == "language_modelling" else "tokenise"


def maker(cell: Cell) -> str:
    """Return the stage that makes the cell's own artefact: ``tune`` where it has a tuner, else ``quantize``."""
    return "quantize" if cell.tuner.name == "none" else "tune"


def stage_keys(
    cell: Cell,
    *,
    locks: Mapping[str, str],
    host: str,
    cores: int,
    contents: tuple[str | None, str | None],
    package: Path = PACKAGE,
) -> StageKeys:
    """Return the keys of `cell`'s stages.

    Parameters
    ----------
    locks : environment name -> lock hash.
    host : the host's fingerprint; numerics, and so QAT and accuracy, depend on its instruction set.
    cores : threads of the child; sums are split by thread, so they are part of the numerics.
    contents : digests of the local files that model and task name, None for a source whose pin fixes the bytes.
    package : the harness's own code that the stages run.
    """
    key = functools.partial(_key, package)
    model, task, approach = cell.model, cell.task, cell.approach
    shared = locks[model.environment]
    reading = dataclasses.replace(
        task, metric="", metric_key=None, trust_remote_code=False, name="", fine_tune=type(task.fine_tune)()
    )
    tokenise = key(cutter(cell), cell, shared, reading, model.source, model.architecture, contents)
    network = (model.fine_tuned, model.options)
    finetune = key("finetune", cell, shared, tokenise, network, task.fine_tune, task.kind, host, cores)
    recipe: tuple[Any, ...] = (approach, _backend(cell), cell.tuner, cell.backend.name)
    batches = (task.evaluation_batch_size, cell.protocol.limit_evaluation)
    if maker(cell) == "tune":
        recipe = (*recipe, batches, _judging(cell))
    ceiling = isa_cap.variables(cell) or emulation.identity(cell.host) or None
    artefact = key(maker(cell), cell, locks[cell.backend.environment], finetune, recipe, ceiling, host, cores)
    evaluate = key("evaluate", cell, locks[cell.backend.environment], artefact, batches, ceiling, host, cores)
    score = key("score", cell, shared, evaluate, task.metric, task.metric_key, task.greater_is_better)
    return StageKeys(tokenise, finetune, artefact, evaluate, score)


def _backend(cell: Cell) -> dict[str, Any]:
    """Return what of the backend's config can change an artefact; of its ceilings that is the cell's own alone."""
    fields = {**dataclasses.asdict(cell.backend), "name": ""}
    return {name: value for name, value in fields.items() if name not in ("isa_variables", "isa_reason")}


def _judging(cell: Cell) -> tuple[Any, ...]:
    """Return what a tuner decides by: the metric, the criterion, and the shape of the latency it times."""
    task, protocol = cell.task, cell.protocol
    return (
        *(task.metric, task.metric_key, task.greater_is_better),
        *(protocol.criterion, protocol.criterion_relative, protocol.confidence, protocol.seed),
        *(protocol.latency_batch_size, protocol.sequence_length),
    )


def covered(stage: str, names: Mapping[str, str], package: Path = PACKAGE) -> list[Path]:
    """Return the source files that are part of a stage's key.

    A tuner's way into a backend counts only where the stage tunes.

    Parameters
    ----------
    names : what the cell has for ``backend``, ``reader``, ``architecture``, ``metric`` and ``strategy``.
    """
    layout = layout_of(package)
    files = [path for root in layout.stages[stage] for path in sorted(package.glob(root.format(**names)))]
    files += [file for kind, of in _PLUGINS for file in _outside(kind, of, names, layout.stages[stage], package)]
    without = layout.not_covered if stage == "tune" else (*layout.not_covered, *layout.tuners)
    return closure(files, without, package)


#: What may stand outside the tree, and what the names of a cell call it.
_PLUGINS = (
    (registry.BACKENDS, "backend"),
    (registry.READERS, "reader"),
    (registry.MODELS, "architecture"),
    (registry.METRICS, "metric"),
    (registry.SEARCHES, "strategy"),
)


def _outside(
    kind: registry.Kind, of: str, names: Mapping[str, str], roots: Sequence[str], package: Path
) -> Iterator[Path]:
    """Yield the file of an option that is not in the tree, where a stage begins with it."""
    name = names[of]
    if package == PACKAGE and any(f"{{{of}}}" in root for root in roots) and name in kind.names():
        file = kind.file(name)
        if not file.is_relative_to(package):
            yield file


def _key(package: Path, stage: str, cell: Cell, *parts: Any) -> str:
    names = (cell.backend.name, cell.task.reader, cell.model.architecture, cell.task.metric, cell.tuner.strategy or "")
    code = code_digest(stage, *names, package)
    return digest([stage, code, parts])


@functools.cache
def code_digest(
    stage: str,
    backend: str,
    reader: str,
    architecture: str,
    metric: str,
    strategy: str = "",
    package: Path = PACKAGE,
) -> str:
    """Return a digest of the source files that a stage of a cell with these options is made of."""
    total = hashlib.sha256()
    names = {"backend": backend, "reader": reader, "architecture": architecture, "metric": metric, "strategy": strategy}
    for path in covered(stage, names, package):
        total.update(
            str(path.relative_to(package) if path.is_relative_to(package) else path.name).encode()
            + b"\0"
            + path.read_bytes()
        )
    return total.hexdigest()
