"""The stage `tune`: the artefact of a cell with a tuner, found by a search whose every trial is told as it ends."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.backends.base import TuningRequest, backend_class
from harness.data.seeding import seed_python
from harness.data.token_rows import load_rows
from harness.errors import FAILURE_KINDS, StageError
from harness.models.limits import require_positions
from harness.tuning.criterion import Bound, Criterion
from harness.tuning.errors import TuningError
from harness.tuning.held_out import shown_to_tuner
from harness.tuning.history import History, Trial
from harness.tuning.objective import Objective
from harness.tuning.search.registry import search_of
from harness.tuning.trials import Limits, Tuned, tune
from harness.worker.stages.evaluate import first_rows
from harness.worker.stages.measure import choose
from harness.worker.stages.tokenise import facts

if TYPE_CHECKING:
    import numpy as np

    from harness.config.cell import Cell
    from harness.data.any_rows import AnyRows
    from harness.ipc.report import Report


def run(spec: dict[str, Any], cell: Cell, report: Report) -> dict[str, Any]:
    """Search for the fastest recipe that keeps the protocol's criterion, and write its artefact into ``spec["out"]``.

    Candidates are held against FP32 on half of the rows that the stage `evaluate` takes, where these are enough (see
    :mod:`harness.tuning.held_out`), else on all of them. ``spec["options"]`` names the file of the tuning's `history`,
    which an interrupted tuning goes on from, and the `key` it must have been made with.

    Returns
    -------
    dict : the backend's provenance; `tuned` (status and index of the chosen trial, why the search ended, FP32's value,
        how many `rows` it decided on, and which were `seen` by it, None for all); `trials`, as they were sent; seconds.

    Raises
    ------
    StageError : ``bad_config`` for what cannot be tuned; the first trial's own kind when none came to its end.
    """
    backend = backend_class(cell.backend.name)
    because = backend.supports(cell)
    if because is not None:
        raise StageError("bad_config", f"{cell.key}: {because}")
    seed_python(spec["seed"])
    start = time.monotonic()
    tokenised, options = Path(spec["inputs"]["tokenised"]), spec["options"]
    train = load_rows(tokenised / "train.npz")
    evaluation = first_rows(load_rows(tokenised / "evaluation.npz"), cell.protocol.limit_evaluation)
    seen = shown_to_tuner(len(evaluation), cell.protocol.seed)
    evaluation = evaluation if seen is None else evaluation.take(seen)
    report.progress("tune", 0, len(evaluation), "loading")
    checkpoint, folder = Path(spec["inputs"]["checkpoint"]), Path(options["history"]).parent
    timed = _timed(tokenised, cell, train)
    model = backend().tunable(TuningRequest(checkpoint, cell, train, evaluation, timed, folder, report))
    try:
        history = History(Path(options["history"]), key=options["key"])
        for trial in history.trials:
            report.trial(as_values(trial, history, cell, reused=True))
        found = tune(
            model.subject,
            model.recipes,
            criterion(cell),
            Objective(),
            model.search or search_of(cell.tuner.strategy or ""),
            Limits(cell.tuner.timeout, cell.tuner.max_trials, cell.protocol.confidence),
            history,
            lambda trial: report.trial(as_values(trial, history, cell, reused=False)),
        )
    except TuningError as error:
        raise StageError("bad_config", str(error)) from error
    _require_one(found)
    made = model.save(found.best.recipe, Path(spec["out"]))
    assert history.baseline is not None
    tuned = {
        "status": found.status,
        "chosen": found.best.index,
        "reason": found.reason,
        "baseline": history.baseline.values[cell.task.metric],
        "rows": len(evaluation),
        "seen": None if seen is None else seen.tolist(),
    }
    trials = [as_values(trial, history, cell, reused=True) for trial in found.trials]
    return {**model.provenance, **made, "tuned": tuned, "trials": trials, "seconds": time.monotonic() - start}


def criterion(cell: Cell) -> Criterion:
    """Return the protocol's criterion on the task's metric."""
    protocol, task = cell.protocol, cell.task
    return Criterion((Bound(task.metric, protocol.criterion, protocol.criterion_relative, task.greater_is_better),))


def as_values(trial: Trial, history: History, cell: Cell, *, reused: bool) -> dict[str, Any]:
    """Return a trial as the fields of its record (see `results/README.md`)."""
    reading = trial.accuracy.get(cell.task.metric)
    metric = None
    if reading is not None:
        assert history.baseline is not None
        metric = {
            "name": cell.task.metric,
            "value": reading["value"],
            "baseline": history.baseline.values[cell.task.metric],
            "difference": reading["difference"],
            "difference_low": reading["low"],
            "difference_high": reading["high"],
            "allowed": reading["allowed"],
            "state": reading["state"],
        }
    return {
        "index": trial.index,
        "recipe": dict(trial.recipe.approach),
        "recipe_digest": trial.digest,
        "fallback": list(trial.recipe.fallback),
        "status": trial.status,
        "kind": trial.kind,
        "message": trial.message,
        "metric": metric,
        "rows": trial.rows,
        "latency_ns": trial.latency_ns,
        "size_bytes": trial.size_bytes,
        "seconds": trial.seconds,
        "reused": reused,
    }


def _timed(tokenised: Path, cell: Cell, train: AnyRows) -> dict[str, np.ndarray]:
    """Return a batch of the size and length that the table's latency is of."""
    known = facts(tokenised)
    length = known["max_length"]
    if length is not None:  # images have none
        require_positions(cell.protocol.sequence_length, known.get("positions"), cell.model.name)
        length = cell.protocol.sequence_length or length
    return choose(train, cell.protocol.latency_batch_size, length, cell.protocol.seed, block=0)[0]


def _require_one(found: Tuned) -> None:
    """Raise when no trial came to its end: there is no artefact that anyone has looked at."""
    if found.status in ("ok", "inaccurate"):
        return
    best = found.best
    kind = best.kind if best.kind in FAILURE_KINDS else "error"
    raise StageError(kind, f"none of {len(found.trials)} trials came to its end; trial {best.index}: {best.message}")
