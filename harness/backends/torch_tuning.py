"""A cell of eager mode as what a tuner searches: calibrated once, every recipe built from real INT8 layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.approaches.calibration import choose
from harness.backends import torch_artefact, torch_recipe
from harness.backends.base import Tunable
from harness.backends.torch_network import input_names, load_checkpoint, prepare_process, require_finite, tensors
from harness.plan.config import QuantizerConfig
from harness.tasks.score import score
from harness.tuning.ranges import OBSERVERS
from harness.tuning.recipe import Recipe, whole_model
from harness.tuning.subject import Decided, Evaluated
from harness.tuning.torch_subject import TorchSubject, calibrate, call
from harness.tuning.torch_subject import recipes as worth_a_race
from harness.worker.evaluate import predict

if TYPE_CHECKING:
    from harness.plan.cell import Cell
    from harness.plan.config import ApproachConfig
    from harness.worker.channel import Report
    from harness.worker.rows import Rows


def tunable(
    checkpoint: Path,
    cell: Cell,
    train: Rows,
    evaluation: Rows,
    timed: Mapping[str, np.ndarray],
    report: Report,
) -> Tunable:
    """See :meth:`harness.backends.base.Backend.tunable`."""
    prepare_process(cell)
    network = load_checkpoint(checkpoint, cell, attention=None)
    names = input_names(network)
    calibration = choose(train.lengths, cell.approach.calibration)
    batches = [tensors(train.batch(rows), names) for rows in calibration.batches]
    report.progress("tune", 0, len(evaluation), "calibrating")
    calibrated = calibrate(network, batches)
    # As in the stage `evaluate`: torch has no variant of its INT8 kernels that it would call deterministic.
    torch.use_deterministic_algorithms(False)
    # The first of the proxy's batches is the one that is timed as well.
    proxy = [tensors(timed, names), *batches]
    subject = TorchSubject(network, calibrated, proxy, _evaluator(evaluation, cell, names, report))
    reduce_range = cell.approach.activation.reduce_range

    def save(recipe: Recipe, out: Path) -> dict[str, Any]:
        torch_artefact.save(subject.build(recipe), out, reduce_range=reduce_range)
        return {"quantized_layers": len(subject.ops()) - len(recipe.fallback), "fallback": list(recipe.fallback)}

    provenance = {"engine": torch_recipe.engine(cell), "calibration": calibration.provenance()}
    return Tunable(subject, recipes(cell.approach), save, provenance)


def recipes(approach: ApproachConfig) -> list[Recipe]:
    """Return the recipes that a tuner may choose among, the approach's own first.

    How weights are mapped and how many bits activations have is what the approach is about, so these stay; the ranges
    of activations are the tuner's. An observer that needs the tensors themselves, such as ``histogram``, is left to
    those that search the same optimum in what calibration has kept (``mse``).
    """
    others = [QuantizerConfig(**recipe.approach["activation"]) for recipe in worth_a_race(approach.method)]
    others = [dataclasses.replace(each, reduce_range=approach.activation.reduce_range) for each in others]
    own = [approach.activation] if approach.activation.observer in OBSERVERS else []
    found = [whole_model(approach.method, activation, approach.weight) for activation in [*own, *others]]
    return list({recipe.digest: recipe for recipe in found}.values())


def _evaluator(
    rows: Rows, cell: Cell, names: tuple[str, ...], report: Report
) -> Callable[[torch.nn.Module, Decided], Evaluated]:
    """Return what evaluates a network on `rows`, in the batches of the stage `evaluate`, so with its very outcomes."""
    batches = rows.by_length(cell.task.evaluation_batch_size)
    # The batches are by length, and an evaluation that ends early must not have seen the longest texts alone.
    order = np.random.RandomState(cell.protocol.seed % 2**32).permutation(len(batches))
    task = cell.task
    right_or_wrong = task.metric == "accuracy" and task.metric_key is None and task.kind == "classification"

    def evaluate(network: torch.nn.Module, decided: Decided) -> Evaluated:
        seen: list[np.ndarray] = []
        predictions: list[Any] = []
        scores: dict[str, np.ndarray] = {}
        for place in order:
            logits = call(network, tensors(rows.batch(batches[place]), names))["logits"].float()
            require_finite(logits, "evaluation rows")
            seen.append(batches[place])
            predictions += predict(logits.numpy(), rows, task.kind)
            report.progress("tune", len(predictions), len(rows), "evaluating")
            if right_or_wrong:
                right = np.asarray(predictions) == rows.labels[np.concatenate(seen)]
                scores = {task.metric: right.astype(np.float64)}
                if decided(scores):
                    break
        if right_or_wrong:
            value = float(scores[task.metric].mean())
        else:
            references = rows.labels[np.concatenate(seen)].tolist()
            value = float(score(task.metric, predictions, references, task)["value"])
        return Evaluated({task.metric: value}, rows=len(predictions), scores=scores)

    return evaluate
