"""A cell of eager mode as what a tuner searches: calibrated once, every recipe built from real INT8 layers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from harness.approaches.calibration import choose
from harness.backends.base import Tunable, TuningRequest
from harness.backends.common.candidates import evaluator, proxy, recipes
from harness.backends.torch_common import artefact, qconfig
from harness.backends.torch_common.network import input_names, load_checkpoint, prepare_process, tensors
from harness.backends.torch_common.tuning.subject import Calibrated, TorchProxy, TorchSubject, calibrate, call
from harness.backends.torch_common.tuning.subject import recipes as worth_a_race
from harness.config.schema import QuantizerConfig
from harness.tuning import ranges
from harness.tuning.recipe import Recipe
from harness.tuning.subject import Decided, Evaluated

if TYPE_CHECKING:
    from harness.config.cell import Cell

#: Files of a tuning's folder, which a tuning that goes on finds there.
_HISTOGRAMS, _MULTIPLICATIONS = "histograms.npz", "multiplications.json"


def tunable(request: TuningRequest) -> Tunable:
    """See :meth:`harness.backends.base.Backend.tunable`."""
    cell = request.cell
    prepare_process(cell)
    network = load_checkpoint(request.checkpoint, cell, attention=None)
    names = input_names(network)
    calibrated = calibrated_once(request, network)
    # As in the stage `evaluate`: torch has no variant of its INT8 kernels that it would call deterministic.
    torch.use_deterministic_algorithms(False)
    on_rows = evaluator(request.evaluation, cell, request.report)

    def evaluate(candidate: torch.nn.Module, decided: Decided) -> Evaluated:
        return on_rows(lambda batch: call(candidate, tensors(batch, names))["logits"].float().numpy(), decided)

    # The first of the proxy's batches is the one that is timed as well.
    batches = [tensors(batch, names) for batch in proxy(request)]
    in_bfloat16 = qconfig.fallback_precision(cell.approach) == "bf16"
    subject = TorchSubject(network, calibrated, batches, evaluate, bfloat16_fallback=in_bfloat16)
    reduce_range = cell.approach.activation.reduce_range

    def save(recipe: Recipe, out: Path) -> dict[str, Any]:
        artefact.save(subject.build(recipe), out, reduce_range=reduce_range)
        return {"quantized_layers": len(subject.ops()) - len(recipe.fallback), "fallback": list(recipe.fallback)}

    return Tunable(subject, torch_recipes(cell), save, provenance(request))


def calibrated_once(request: TuningRequest, network: torch.nn.Module) -> Calibrated:
    """Return what the calibration rows showed of `network`; from the tuning's folder where it is kept there."""
    histograms, multiplications = request.folder / _HISTOGRAMS, request.folder / _MULTIPLICATIONS
    # The second file is written last.
    if multiplications.exists():
        return Calibrated(ranges.load(histograms), json.loads(multiplications.read_text()))
    request.report.progress("tune", 0, len(request.evaluation), "calibrating")
    names = input_names(network)
    calibration = choose(request.train.lengths, request.cell.approach.calibration)
    calibrated = calibrate(network, (tensors(request.train.batch(rows), names) for rows in calibration.batches))
    ranges.save(calibrated.histograms, histograms)
    unfinished = multiplications.with_suffix(".new")
    unfinished.write_text(json.dumps(calibrated.multiplications))
    unfinished.rename(multiplications)
    return calibrated


def torch_proxy(
    request: TuningRequest, network: torch.nn.Module, calibrated: Calibrated, quantized_outputs: bool
) -> TorchProxy:
    """Return candidates of eager mode's layers, for graphs of the same layers that take long to make."""
    names = input_names(network)
    return TorchProxy(network, calibrated, [tensors(batch, names) for batch in proxy(request)], quantized_outputs)


def torch_recipes(cell: Cell) -> list[Recipe]:
    """Return the recipes of a cell whose ranges come from what calibration has kept.

    An observer that needs the tensors themselves, such as ``histogram``, is left to those that search the same optimum
    in the magnitudes (``mse``).
    """
    others = [QuantizerConfig(**recipe.approach["activation"]) for recipe in worth_a_race(cell.approach.method)]
    return recipes(cell, others, ranges.OBSERVERS)


def provenance(request: TuningRequest) -> dict[str, Any]:
    """Return what artefacts of torch tell of their making, whatever the recipe."""
    calibration = choose(request.train.lengths, request.cell.approach.calibration)
    return {"engine": qconfig.engine(request.cell), "calibration": calibration.provenance()}
