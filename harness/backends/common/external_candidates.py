"""What all backends share that Neural Compressor or NNCF tunes: a search of its own, candidates that are artefacts."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.approaches.calibration import Calibration, choose
from harness.backends.base import Tunable, TuningRequest, backend_class
from harness.backends.common.candidates import CandidateBuilder, CandidateSubject, Run, cell_of
from harness.backends.verify import verify_precision
from harness.tuning.recipe import Recipe, whole_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from harness.tuning.external.search import CandidateRegistry
    from harness.tuning.subject import Decided, Evaluated
    from harness.tuning.trials import Search


class WholeEvaluations(CandidateSubject):
    """Candidates that are evaluated to the end: a search that is not ours knows of no decision before it."""

    def evaluate(self, recipe: Recipe, decided: Decided) -> Evaluated:
        return super().evaluate(recipe, lambda scores: False)

    def confirm(self, recipe: Recipe, decided: Decided) -> Evaluated | None:
        return super().confirm(recipe, lambda scores: False)

    def _run(self, recipe: Recipe | None) -> Run:
        """Return what runs a candidate, once run as the stage `evaluate` does first: a runtime may rewrite itself then.

        Raises
        ------
        StageError : ``no_int8_kernels`` for a candidate that runs none.
        """
        known = self._backend is not None and self._made == recipe
        run = super()._run(recipe)
        if not known:
            rows, cell = self._request.evaluation, self._request.cell
            first = rows.batch(rows.by_length(cell.task.evaluation_batch_size)[0])
            verify_precision(self._backend.executed_precision(self._backend.inputs(first)), cell_of(cell, recipe))
        return run

    def keep(self, recipe: Recipe) -> None:
        """Keep the artefact that was evaluated last, if it is of this recipe, and no other."""
        if self._made != recipe:
            return
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.copytree(self._folder, self._kept / recipe.digest)

    def save(self, recipe: Recipe, out: Path) -> dict[str, Any]:
        """Write the artefact of a recipe, the very one that was evaluated where it was kept, into the folder `out`."""
        kept = self._kept / recipe.digest
        if kept.exists():
            for file in kept.iterdir():
                shutil.move(file, out / file.name)
            shutil.rmtree(self._kept)
        else:
            super().save(recipe, out)
        return {"fallback": list(recipe.fallback)}

    @property
    def _kept(self) -> Path:
        return self._request.folder / "kept"


class Shown:
    """The calibration rows as Neural Compressor iterates over them: ``(input, label)`` for each batch.

    Parameters
    ----------
    form : turns a batch of arrays into the model's input.
    """

    def __init__(
        self,
        request: TuningRequest,
        form: Callable[[Mapping[str, np.ndarray]], Any],
        calibration: Calibration | None = None,
    ):
        self.calibration = calibration or choose(request.train.lengths, request.cell.approach.calibration)
        self.batch_size = len(self.calibration.batches[0])
        self.samples = len(self.calibration.rows)
        self._request = request
        self._form = form

    def __len__(self) -> int:
        return len(self.calibration.batches)

    def first(self, batches: int) -> Shown:
        """Return the first so many batches alone."""
        return Shown(self._request, self._form, Calibration(self.calibration.batches[:batches]))

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        for indices in self.calibration.batches:
            # The label is never read; a batch of one would be unpacked wrongly without it.
            yield self._form(self._request.train.batch(indices)), 0


def tunable(
    request: TuningRequest,
    registry: CandidateRegistry,
    store: Callable[[Any, Path], Any],
    search: Search,
    provenance: Mapping[str, Any],
    preview: Callable[[Any], Run] | None = None,
) -> Tunable:
    """Return what the worker tunes: `search` adds to `registry` what it comes to, `store` writes its model's artefact.

    `preview` runs such a model without its artefact, where that takes long to make.
    """
    cell, approach = request.cell, request.cell.approach

    def make(recipe: Recipe | None, folder: Path) -> None:
        if recipe is None:
            backend = backend_class(cell.backend.name)()
            backend.quantize(request.checkpoint, cell_of(cell, None), request.train, folder, request.report)
        else:
            store(registry.make(recipe), folder)
        torch = sys.modules.get("torch")
        if torch is not None:
            # As in the stage `evaluate`: torch has no variant of its INT8 kernels that it would call deterministic.
            torch.use_deterministic_algorithms(False)

    looked_at = None if preview is None else lambda recipe: preview(registry.make(recipe))
    subject = WholeEvaluations(request, CandidateBuilder({}, make, preview=looked_at))

    whole = whole_model(approach.method, approach.activation, approach.weight)
    return Tunable(subject, [whole], subject.save, provenance, search)


def workspace(request: TuningRequest) -> Path:
    """Return where Neural Compressor keeps files of its own."""
    return request.folder / "workspace"
