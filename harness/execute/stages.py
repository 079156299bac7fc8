"""The stages that lead to a cell's artefact, each an artefact with a key of its own, made once and shared by key.

A key covers everything that can change the bytes: the configs a stage reads, the keys of its inputs, the lock of its
environment, and the source text of the modules that do the work. It does not cover how the result is measured.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.execute.imported import PACKAGE, closure
from harness.plan import ceilings, emulation
from harness.plan.cell import Cell, digest

#: Stage -> the files under harness/ that it begins with ({backend} and the like are the cell's): they and all that
#: they import are part of its key.
_ROOTS = {
    "tokenise": ("worker/tokenise.py", "tasks/{reader}.py"),
    "windows": ("worker/windows.py", "tasks/{reader}.py", "models/{architecture}.py"),
    "finetune": ("worker/finetune.py", "models/{architecture}.py"),
    "quantize": ("worker/quantize.py", "backends/{backend}.py", "models/{architecture}.py"),
    "tune": ("worker/tune.py", "backends/{backend}.py", "models/{architecture}.py", "tuning/*.py"),
    "evaluate": ("worker/evaluate.py",),
    "score": ("worker/score.py", "tasks/metrics/*/*.py"),
}

#: Imported, but not part of any key: the schema of configs, whose values are in the key themselves, and words.
_NOT_COVERED = ("plan/config.py", "errors.py", "words.py")

#: A tuner's way into a backend counts only where the stage tunes.
_OF_TUNERS = "*_tuning.py"


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
    recipe = (approach, _backend(cell), cell.tuner, cell.backend.name)
    batches = (task.evaluation_batch_size, cell.protocol.limit_evaluation)
    if maker(cell) == "tune":
        recipe = (*recipe, batches, _judging(cell))
    ceiling = ceilings.variables(cell) or emulation.identity(cell.host) or None
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

    A tuner's way into a backend (``*_tuning.py``) counts only where the stage tunes.

    Parameters
    ----------
    names : what the cell has for ``backend``, ``reader`` and ``architecture``.
    """
    files = [path for root in _ROOTS[stage] for path in sorted(package.glob(root.format(**names)))]
    return closure(files, _NOT_COVERED if stage == "tune" else (*_NOT_COVERED, _OF_TUNERS), package)


def _key(package: Path, stage: str, cell: Cell, *parts: Any) -> str:
    code = code_digest(stage, cell.backend.name, cell.task.reader, cell.model.architecture, package)
    return digest([stage, code, parts])


@functools.cache
def code_digest(stage: str, backend: str, reader: str, architecture: str, package: Path = PACKAGE) -> str:
    """Return a digest of the source files that a stage of a cell with these options is made of."""
    total = hashlib.sha256()
    names = {"backend": backend, "reader": reader, "architecture": architecture}
    for path in covered(stage, names, package):
        total.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()
