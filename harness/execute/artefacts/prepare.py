"""From a cell to its artefact and its accuracy: source, tokenise, fine-tune, quantize or tune, evaluate; each once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.cache import cache_error
from harness.config.cell import Cell
from harness.errors import StageError
from harness.execute.artefacts.keys import StageKeys, cutter, maker
from harness.execute.artefacts.sources import Sources
from harness.execute.artefacts.store import Artefact, Artefacts
from harness.execute.process.request import ChildError, Children
from harness.tasks.files import existing

#: Called with a trial's values when it has ended.
OnTrial = Callable[[dict[str, Any]], None]

#: Called with the stage, steps done, steps in all and a note.
Progress = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class Prepared:
    """A cell's artefact and the stages that led to it, as the `prepared` record tells them.

    `label_matching` is how a fine-tuned head's outputs stand for the task's labels; None where no head was there.
    `per_row` holds the multiplications of the FP32 network (see :func:`harness.models.work.per_row`).
    """

    artefact: Artefact
    tokenised: Artefact
    stages: list[dict[str, Any]]
    label_matching: dict[str, Any] | None = None
    per_row: dict[str, int] | None = None

    @property
    def provenance(self) -> dict[str, Any]:
        """What making the artefact has told, without the trials, which have records of their own."""
        return {name: value for name, value in self.artefact.result.items() if name != "trials"}

    @property
    def trials(self) -> list[dict[str, Any]]:
        """The trials of the cell's tuning, all of them; none for a cell without a tuner."""
        return self.artefact.result.get("trials", [])

    @property
    def seconds(self) -> float:
        """Seconds spent now on stages that were not at hand."""
        return sum(stage["seconds"] for stage in self.stages if not stage["reused"])


@dataclass(frozen=True)
class Accuracy:
    """What evaluating and scoring an artefact has given, as the `accuracy` record tells it."""

    values: dict[str, Any]
    reused: bool


@dataclass
class Preparation:
    """Runs the stages of cells. A stage that failed is not tried again for the next cell that needs it."""

    children: Children
    artefacts: Artefacts
    sources: Sources
    progress: Progress
    _failed: dict[str, StageError] = field(default_factory=dict)
    _contents: dict[str, str] = field(default_factory=dict)

    def prepare(self, cell: Cell, keys: StageKeys, on_trial: OnTrial) -> Prepared:
        """Return the cell's artefact, making what is not at hand; raise :class:`StageError` where it cannot be.

        `on_trial` is told each trial of a tuning that goes on now; some perhaps again, after an interruption.
        """
        shared = cell.model.environment
        model = self._source(cell.model.source, f"model.source of {cell.model.name}")
        task = self._source(cell.task.source, f"task.source of {cell.task.name}")
        tokenised = self._stage(cutter(cell), keys.tokenise, cell, shared, {"model": model, "task": task})
        inputs = {"model": model, "tokenised": tokenised.path}
        checkpoint = self._stage("finetune", keys.finetune, cell, shared, inputs)
        inputs = {"checkpoint": checkpoint.path, "tokenised": tokenised.path}
        if maker(cell) == "tune":
            artefact = self._tune(cell, keys.artefact, inputs, on_trial)
        else:
            artefact = self._stage("quantize", keys.artefact, cell, cell.backend.environment, inputs)
        stages = [
            {"stage": stage, "artefact": made.key, "seconds": made.seconds, "reused": made.reused}
            for stage, made in ((cutter(cell), tokenised), ("finetune", checkpoint), (maker(cell), artefact))
        ]
        told = (checkpoint.result.get(name) for name in ("label_matching", "per_row"))
        return Prepared(artefact, tokenised, stages, *told)

    def evaluate(self, cell: Cell, keys: StageKeys, prepared: Prepared) -> Accuracy:
        """Return the accuracy of the cell's artefact on this host."""
        inputs = {"artefact": prepared.artefact.path, "tokenised": prepared.tokenised.path}
        options = {"limit_evaluation": cell.protocol.limit_evaluation, "per_row": prepared.per_row}
        evaluated = self._stage("evaluate", keys.evaluate, cell, cell.backend.environment, inputs, options)
        inputs = {"tokenised": prepared.tokenised.path}
        options = {"predictions": evaluated.result["predictions"]}
        scored = self._stage("score", keys.score, cell, cell.model.environment, inputs, options)
        return Accuracy({**evaluated.result, **scored.result}, evaluated.reused and scored.reused)

    def contents(self, cell: Cell) -> tuple[str | None, str | None]:
        """Return digests of the local files of model and task, which may change in place; None where a pin fixes them.

        Raises
        ------
        StageError : ``missing_file``.
        """
        return self._content(cell.model.source.path), self._content(cell.task.source.path)

    def _content(self, path: str | None) -> str | None:
        if path is None:
            return None
        if path not in self._contents:
            self._contents[path] = tree_digest(Path(path))
        return self._contents[path]

    def _source(self, source: Any, where: str) -> Path | None:
        """Return the local path of a source; None for a hub, which the child reads itself, and where none is named."""
        if source.package is None and source.path is None:
            return None
        return self.sources.path(source, where=where, on_progress=lambda note: self.progress("source", 0, 1, note))

    def _tune(self, cell: Cell, key: str, inputs: dict[str, Path | None], on_trial: OnTrial) -> Artefact:
        """Tune, and start again behind a trial that has taken the process with it, as long as that gets any further."""
        history = self.artefacts.scratch("tune", key) / "trials.jsonl"
        options = {"history": str(history), "key": key}
        before = _size(history)
        while True:
            try:
                return self._stage("tune", key, cell, cell.backend.environment, inputs, options, on_trial)
            except ChildError as error:
                told = _size(history)
                if error.kind not in ("crash", "oom") or told <= before:
                    raise
                before = told
                del self._failed[f"tune-{key}"]

    def _stage(
        self,
        stage: str,
        key: str,
        cell: Cell,
        environment: str,
        inputs: Mapping[str, Path | None],
        options: dict[str, Any] | None = None,
        on_trial: OnTrial = lambda trial: None,
    ) -> Artefact:
        name = f"{stage}-{key}"
        if name in self._failed:
            raise self._failed[name]

        def hear(message: dict[str, Any]) -> None:
            if message["event"] == "trial":
                on_trial(message["trial"])
            else:
                self.progress(message["stage"], message["done"], message["total"], message.get("note", ""))

        def make(out: Path) -> dict[str, Any]:
            self.progress(stage, 0, 1, "")
            outcome = self.children.run(
                stage,
                cell,
                environment=environment,
                inputs=inputs,
                out=out,
                options=options,
                on_message=hear,
            )
            return outcome.values

        try:
            return self.artefacts.ensure(stage, key, make)
        except StageError as error:
            self._failed[name] = error
            raise
        except OSError as error:
            raise cache_error(error, self.artefacts.root.parent, stage) from error


def tree_digest(path: Path) -> str:
    """Return a SHA-256 over the names and bytes of a file, or of all files below a folder.

    Raises
    ------
    StageError : ``missing_file``, also where one of them may not be read.
    """
    path = existing(str(path), "")
    try:
        return _tree_digest(path)
    except OSError as error:
        raise StageError("missing_file", f"{error.filename or path}: {error.strerror}") from error


def _tree_digest(path: Path) -> str:
    total = hashlib.sha256()
    files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
    for file in files:
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{file.relative_to(path)}\0{content}\n".encode())
    return total.hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
