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

from harness.backends.base import Tunable, TuningRequest
from harness.backends.common.candidates import CandidateBuilder, CandidateSubject, cell_of
from harness.backends.common.linear_layers import quantized_linears
from harness.backends.torch_common import fx_graph, qconfig
from harness.backends.torch_common.network import load_checkpoint, prepare_process
from harness.backends.torch_common.tuning.candidates import calibrated_once, provenance, torch_proxy, torch_recipes
from harness.backends.torch_common.tuning.observer_ranges import by_minmax, put_range

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch.fx import GraphModule, Node

    from harness.backends.torch_common.tuning.subject import Calibrated
    from harness.config.schema import ApproachConfig
    from harness.tuning.recipe import Recipe


def tunable(request: TuningRequest) -> Tunable:
    """See :meth:`harness.backends.base.Backend.tunable`."""
    cell = request.cell
    prepare_process(cell)
    network = load_checkpoint(request.checkpoint, cell, attention="eager")
    calibrated = calibrated_once(request, network)
    # torch has not marked the resizing of a quantized tensor as deterministic, though it moves no data.
    torch.use_deterministic_algorithms(False)
    traced = fx_graph.trace(copy.deepcopy(network))
    example = tuple(fx_graph.example(network, 2, 16).values())

    def make(recipe: Recipe | None, out: Path) -> None:
        graph = copy.deepcopy(traced)
        if recipe is not None:
            layers = quantized_linears(network, recipe.fallback)
            graph = _quantized(graph, layers, example, cell_of(cell, recipe).approach, calibrated)
        fx_graph.save(fx_graph.finish(graph), out)

    proxy = torch_proxy(request, network, calibrated, quantized_outputs=True)
    subject = CandidateSubject(request, CandidateBuilder(calibrated.multiplications, make, proxy.divergence))
    return Tunable(subject, torch_recipes(cell), subject.save, provenance(request))


def _quantized(
    graph: GraphModule,
    layers: list[str],
    example: tuple[torch.Tensor, ...],
    approach: ApproachConfig,
    calibrated: Calibrated,
) -> GraphModule:
    chosen = qconfig.static_qconfig(by_minmax(approach))
    prepared = prepare_fx(graph, qconfig.mapping(layers, chosen), example)
    for node in prepared.graph.nodes:
        if node.op == "call_module" and hasattr(prepared.get_submodule(node.target), "calculate_qparams"):
            put_range(prepared, node, _places(node), calibrated.histograms, approach.activation)
    return convert_fx(prepared)


def _places(observer: Node) -> Iterator[str]:
    """Yield where hooks have seen what an observer observes: as a layer's input, or as one's output."""
    yield from (f"{user.target}.input" for user in observer.users if user.op == "call_module")
    yield f"{observer.args[0].target}.output"
