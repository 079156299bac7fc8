"""PT2E tuned by Neural Compressor 3.x, which walks over configs of the whole model."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from harness.backends import inc_tuning, pt2e_graph, pt2e_package
from harness.backends.torch_network import input_names, load_checkpoint, prepare_process, tensors
from harness.plan.config import QuantizerConfig
from harness.tuning import inc
from harness.tuning.foreign import Offers
from harness.tuning.recipe import Recipe, whole_model

if TYPE_CHECKING:
    from harness.backends.base import ToTune, Tunable
    from harness.tuning.trials import Trials

#: Where 3.x has its ``autotune``.
_AUTOTUNE = "neural_compressor.torch.quantization.autotune"


def autotune(asked: ToTune) -> Tunable:
    """Return a cell of PT2E as what Neural Compressor tunes."""
    from neural_compressor.torch.quantization import StaticQuantConfig

    cell = asked.cell
    prepare_process(cell)
    pt2e_package.require_compiler()
    network = load_checkpoint(asked.checkpoint, cell, attention="sdpa")
    names, vocabulary = input_names(network), network.config.vocab_size
    shown = inc_tuning.Shown(asked, lambda batch: tuple(tensors(batch, names).values()))
    graph = pt2e_graph.export(pt2e_graph.Logits(network), names, vocabulary).module()
    # What Neural Compressor's own ``export`` leaves on a graph.
    graph._exported, graph.dynamic_shapes = True, None
    offers, module = Offers(), importlib.import_module(_AUTOTUNE)
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

    def search(trials: Trials, recipes: list[Recipe]) -> None:
        workspace = inc_tuning.workspace(asked)
        inc.autotune(trials, offers, module, "quantize", run, configs, recipe_of, workspace, module._deepcopy_warp)

    def store(quantized: torch.nn.Module, out: Path) -> None:
        asked.report.progress("tune", 0, 1, "compiling, a minute or so")
        pt2e_package.save(pt2e_graph.export(quantized, names, vocabulary), names, out)
        pt2e_package.require_same_as(out, quantized, vocabulary, "int8")

    provenance = {"calibration": shown.calibration.provenance()}
    return inc_tuning.tunable(asked, offers, store, search, provenance, lambda made: pt2e_graph.runner(made, names))
