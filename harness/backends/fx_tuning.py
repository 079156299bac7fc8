"""A cell of FX graph mode as what a tuner searches.

Its INT8 layers are those of eager mode, one by one, so recipes race and ops are ordered there, where a candidate takes
milliseconds; each trial is a converted graph of FX, whose ranges come from one calibration.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

from harness.backends import torch_graph, torch_recipe
from harness.backends.base import ToTune, Tunable
from harness.backends.candidate_tuning import CandidateSubject, Workshop, cell_of
from harness.backends.graph_tuning import by_minmax, put_range
from harness.backends.torch_network import load_checkpoint, prepare_process
from harness.backends.torch_tuning import calibrated_once, provenance, torch_proxy, torch_recipes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch.fx import GraphModule, Node

    from harness.plan.config import ApproachConfig
    from harness.tuning.recipe import Recipe
    from harness.tuning.torch_subject import Calibrated


def tunable(asked: ToTune) -> Tunable:
    """See :meth:`harness.backends.base.Backend.tunable`."""
    cell = asked.cell
    prepare_process(cell)
    network = load_checkpoint(asked.checkpoint, cell, attention="eager")
    calibrated = calibrated_once(asked, network)
    # torch has not marked the resizing of a quantized tensor as deterministic, though it moves no data.
    torch.use_deterministic_algorithms(False)
    traced = torch_graph.trace(copy.deepcopy(network))
    example = tuple(torch_graph.example(network, 2, 16).values())

    def make(recipe: Recipe | None, out: Path) -> None:
        graph = copy.deepcopy(traced)
        if recipe is not None:
            layers = torch_recipe.quantized_linears(network, recipe.fallback)
            graph = _quantized(graph, layers, example, cell_of(cell, recipe).approach, calibrated)
        torch_graph.save(torch_graph.finish(graph), out)

    proxy = torch_proxy(asked, network, calibrated, quantized_outputs=True)
    subject = CandidateSubject(asked, Workshop(calibrated.multiplications, make, proxy.divergence))
    return Tunable(subject, torch_recipes(cell), subject.save, provenance(asked))


def _quantized(
    graph: GraphModule,
    layers: list[str],
    example: tuple[torch.Tensor, ...],
    approach: ApproachConfig,
    calibrated: Calibrated,
) -> GraphModule:
    qconfig = torch_recipe.static_qconfig(by_minmax(approach))
    prepared = prepare_fx(graph, torch_recipe.mapping(layers, qconfig), example)
    for node in prepared.graph.nodes:
        if node.op == "call_module" and hasattr(prepared.get_submodule(node.target), "calculate_qparams"):
            put_range(prepared, node, _places(node), calibrated.histograms, approach.activation)
    return convert_fx(prepared)


def _places(observer: Node) -> Iterator[str]:
    """Yield where hooks have seen what an observer observes: as a layer's input, or as one's output."""
    yield from (f"{user.target}.input" for user in observer.users if user.op == "call_module")
    yield f"{observer.args[0].target}.output"
