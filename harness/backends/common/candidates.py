"""A tuner's candidates as artefacts of the backend itself: made, loaded and run as the stages make, load and run them.

So a trial's accuracy, latency and size are those of the very files that the chosen one leaves. Needs no framework.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.approaches.calibration import choose
from harness.backends.base import TuningRequest, backend_class
from harness.backends.verify import predict
from harness.config.schema import ApproachConfig, QuantizerConfig
from harness.errors import StageError
from harness.tasks.score import score
from harness.tuning.divergence import Reference
from harness.tuning.latency import latency_ns
from harness.tuning.paired import perplexity_scores
from harness.tuning.recipe import Recipe, whole_model
from harness.tuning.subject import Decided, Evaluated

if TYPE_CHECKING:
    from harness.config.cell import Cell
    from harness.data.any_rows import AnyRows
    from harness.ipc.report import Report

#: Runs a batch of arrays and returns its logits, float32 of shape (rows, classes).
Run = Callable[[Mapping[str, np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class CandidateBuilder:
    """How a backend makes candidates.

    `multiplications` has each op that may fall back, in the model's order, with the work it did on the calibration
    rows. `make` writes the artefact of a recipe, or of FP32 for None, into an empty folder. `divergence` stands in for
    that of the artefacts where they take long to make. `preview` runs a candidate without its artefact, with the same
    numerics: one that fails there is not made.
    """

    multiplications: Mapping[str, float]
    make: Callable[[Recipe | None, Path], None]
    divergence: Callable[[Recipe], float] | None = None
    preview: Callable[[Recipe], Run] | None = None


class CandidateSubject:
    """See :class:`harness.tuning.subject.Subject`; a candidate is what the backend has loaded from its artefact."""

    def __init__(self, request: TuningRequest, builder: CandidateBuilder):
        self._request = request
        self._builder = builder
        self._evaluate = evaluator(request.evaluation, request.cell, request.report)
        self._made: Recipe | None = None
        self._backend: Any = None
        self._folder = request.folder / "candidate"
        self._reference: Reference | None = None

    def ops(self) -> list[str]:
        """Return what may fall back."""
        return list(self._builder.multiplications)

    def saving(self, op: str) -> float:
        """Return the multiplications that `op` did on the calibration rows, which its latency goes with."""
        return float(self._builder.multiplications[op])

    def baseline(self) -> Evaluated:
        """Evaluate the backend's FP32 in full."""
        return self._measured(None, lambda scores: False)

    def divergence(self, recipe: Recipe) -> float:
        """Return how far a candidate's predictions are from FP32's on calibration rows and the timed batch."""
        if self._builder.divergence is not None:
            return self._builder.divergence(recipe)
        batches = proxy(self._request)
        if self._reference is None:
            fp32 = self._run(None)
            self._reference = Reference([fp32(batch)] for batch in batches)
        run = self._run(recipe)
        return self._reference.divergence([run(batch)] for batch in batches)

    def evaluate(self, recipe: Recipe, decided: Decided) -> Evaluated:
        """Evaluate a candidate, or its preview where there is one, which has no latency and no size."""
        if self._builder.preview is not None:
            return self._evaluate(self._builder.preview(recipe), decided)
        return self._measured(recipe, decided)

    def confirm(self, recipe: Recipe, decided: Decided) -> Evaluated | None:
        """Evaluate the artefact of a candidate that passed its preview; None where it was no preview."""
        return None if self._builder.preview is None else self._measured(recipe, decided)

    def save(self, recipe: Recipe, out: Path) -> dict[str, Any]:
        """Move the artefact of a recipe into the folder `out`; return what of its provenance depends on the recipe."""
        self._run(recipe)
        for file in self._folder.iterdir():
            shutil.move(file, out / file.name)
        shutil.rmtree(self._folder)
        return {"quantized_layers": len(self.ops()) - len(recipe.fallback), "fallback": list(recipe.fallback)}

    def _run(self, recipe: Recipe | None) -> Run:
        """Return what runs a candidate, the one that was run last or made anew."""
        if self._backend is None or self._made != recipe:
            self._backend = None
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
            self._builder.make(recipe, self._folder)
            backend = backend_class(self._request.cell.backend.name)()
            backend.load(self._folder, cell_of(self._request.cell, recipe))
            self._backend, self._made = backend, recipe
        backend = self._backend
        return lambda batch: np.asarray(backend.logits(backend.forward(backend.inputs(batch))), np.float32)

    def _measured(self, recipe: Recipe | None, decided: Decided) -> Evaluated:
        run = self._run(recipe)
        evaluated = self._evaluate(run, decided)
        inputs = self._backend.inputs(self._request.timed)
        size = sum(file.stat().st_size for file in self._folder.iterdir())
        latency = latency_ns(lambda: self._backend.forward(inputs))
        return dataclasses.replace(evaluated, latency_ns=latency, size_bytes=size)


def cell_of(cell: Cell, recipe: Recipe | None) -> Cell:
    """Return the cell without a tuner that a recipe describes, or FP32's for None: what ``quantize`` would be asked."""
    if recipe is None:
        approach = ApproachConfig(name="fp32", precision="fp32", method="none")
    else:
        activation, weight = (QuantizerConfig(**recipe.approach[part]) for part in ("activation", "weight"))
        approach = dataclasses.replace(cell.approach, fallback=recipe.fallback, activation=activation, weight=weight)
    return dataclasses.replace(cell, approach=approach, tuner=dataclasses.replace(cell.tuner, name="none"))


def proxy(request: TuningRequest) -> list[Mapping[str, np.ndarray]]:
    """Return the batches that divergence is taken on: the timed one, and those of the calibration."""
    calibration = choose(request.train.lengths, request.cell.approach.calibration)
    return [request.timed, *(request.train.batch(rows) for rows in calibration.batches)]


def recipes(cell: Cell, others: Iterable[QuantizerConfig], observers: Iterable[str]) -> list[Recipe]:
    """Return the recipes that a tuner may choose among, the approach's own first.

    How weights are mapped and how many bits activations have is what the approach is about, so these stay; the ranges
    of activations are the tuner's, where the method finds them before it runs. An observer that is not among
    `observers`, whose ranges the backend can keep, is left to the others.
    """
    approach = cell.approach
    own, given = approach.activation, list(observers)
    tried = [own] if own.observer in given or approach.method == "dynamic" else []
    if approach.method != "dynamic":
        tried += [dataclasses.replace(other, reduce_range=own.reduce_range) for other in others]
    found = [whole_model(approach.method, activation, approach.weight) for activation in tried]
    return list({recipe.digest: recipe for recipe in found}.values())


def evaluator(rows: AnyRows, cell: Cell, report: Report) -> Callable[[Run, Decided], Evaluated]:
    """Return what evaluates a candidate on `rows`, in the batches of the stage `evaluate`, so with its outcomes."""
    batches = rows.by_length(cell.task.evaluation_batch_size)
    # The batches are by length, and an evaluation that ends early must not have seen the longest texts alone.
    order = np.random.RandomState(cell.protocol.seed % 2**32).permutation(len(batches))
    task = cell.task

    def evaluate(run: Run, decided: Decided) -> Evaluated:
        seen: list[np.ndarray] = []
        predictions: list[Any] = []
        scores: dict[str, np.ndarray] = {}
        for place in order:
            logits = run(rows.batch(batches[place]))
            if not np.isfinite(logits).all():
                raise StageError("nan", "logits of evaluation rows are not finite")
            seen.append(batches[place])
            predictions += predict(logits, rows, task.kind)
            report.progress("tune", len(predictions), len(rows), "evaluating")
            if task.is_right_or_wrong:
                right = np.asarray(predictions) == rows.labels[np.concatenate(seen)]
                scores = {task.metric: right.astype(np.float64)}
                if decided(scores):
                    break
        if task.is_right_or_wrong:
            value = float(scores[task.metric].mean())
        else:
            references = rows.labels[np.concatenate(seen)]
            value = float(score(task.metric, predictions, references.tolist(), task)["value"])
            if task.metric == "perplexity":
                scores = {task.metric: perplexity_scores(np.asarray(predictions), references)}
        return Evaluated({task.metric: value}, rows=len(predictions), scores=scores)

    return evaluate
