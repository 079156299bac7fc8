"""PT2E tuned by Neural Compressor 3.x, which walks over configs of the whole model."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from harness.backends.common import external_candidates
from harness.backends.pt2e import artefact
from harness.backends.pt2e import graph as pt2e_graph
from harness.backends.torch_common.network import input_names, load_checkpoint, prepare_process, tensors
from harness.config.schema import QuantizerConfig
from harness.tuning.external import inc
from harness.tuning.external.search import CandidateRegistry
from harness.tuning.recipe import Recipe, whole_model

if TYPE_CHECKING:
    from harness.backends.base import Tunable, TuningRequest
    from harness.tuning.trials import Trials

#: Where 3.x has its ``autotune``.
_AUTOTUNE = "neural_compressor.torch.quantization.autotune"


def autotune(request: TuningRequest) -> Tunable:
    """Return a cell of PT2E as what Neural Compressor tunes."""
    from neural_compressor.torch.quantization import StaticQuantConfig

    cell = request.cell
    prepare_process(cell)
    artefact.require_compiler()
    network = load_checkpoint(request.checkpoint, cell, attention="sdpa")
    names, vocabulary = input_names(network), network.config.vocab_size
    shown = external_candidates.Shown(request, lambda batch: tuple(tensors(batch, names).values()))
    graph = pt2e_graph.export(pt2e_graph.Logits(network), names, vocabulary).module()
    # What Neural Compressor's own ``export`` leaves on a graph.
    graph._exported, graph.dynamic_shapes = True, None
    registry, module = CandidateRegistry(), importlib.import_module(_AUTOTUNE)
    # Its own set for tuning, with BF16 left out wherever the CPU has it.
    configs = [
        StaticQuantConfig(act_sym=[True, False], act_algo=["kl", "minmax"], excluded_precisions=["bf16", "fp16"])
    ]

    def calibrate(prepared: torch.nn.Module) -> None:
        with torch.no_grad():
            for batch, _ in shown:
                prepared(*batch)

    def run(tuning: Any, evaluated: Any) -> Any:
        return module.autotune(graph, tuning, evaluated, run_fn=calibrate)

    def recipe_of(config: Any) -> Recipe:
        activation = QuantizerConfig(
            dtype="uint8", scheme="symmetric" if config.act_sym else "affine", observer=config.act_algo
        )
        return whole_model(cell.approach.method, activation, cell.approach.weight)

    def search(trials: Trials, recipes: Sequence[Recipe]) -> None:
        workspace = external_candidates.workspace(request)
        inc.autotune(trials, registry, module, "quantize", run, configs, recipe_of, workspace, module._deepcopy_warp)

    def store(quantized: torch.nn.Module, out: Path) -> None:
        request.report.progress("tune", 0, 1, "compiling, a minute or so")
        artefact.save(pt2e_graph.export(quantized, names, vocabulary), names, out)
        artefact.require_same_as(out, quantized, vocabulary, "int8")

    provenance = {"calibration": shown.calibration.provenance()}
    return external_candidates.tunable(
        request, registry, store, search, provenance, lambda made: pt2e_graph.runner(made, names)
    )
