"""A cell of PT2E as what a tuner searches.

The converted graph runs an INT8 layer as the FP32 product of what the codes stand for, the compiled package as the
integer product of the codes: the same numbers but for the rounding of FP32 sums. So a candidate is evaluated as its
graph, which takes a second to make, and compiled, which takes a minute, only when it passes; then the package itself is
evaluated and timed. Recipes race and ops are ordered on layers of eager mode that compute what the graph's do.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from harness.backends.base import Tunable, TuningRequest
from harness.backends.common.candidates import CandidateBuilder, CandidateSubject, Run, cell_of
from harness.backends.common.linear_layers import quantized_linears
from harness.backends.pt2e import artefact
from harness.backends.pt2e import graph as pt2e_graph
from harness.backends.pt2e.quantizer import quantizer
from harness.backends.torch_common.example import example
from harness.backends.torch_common.network import input_names, load_checkpoint, prepare_process
from harness.backends.torch_common.tuning.candidates import calibrated_once, provenance, torch_proxy, torch_recipes
from harness.backends.torch_common.tuning.observer_ranges import by_minmax, put_range

if TYPE_CHECKING:
    from torch.fx import GraphModule, Node

    from harness.backends.torch_common.tuning.subject import Calibrated
    from harness.config.schema import ApproachConfig
    from harness.tuning.recipe import Recipe


def tunable(request: TuningRequest) -> Tunable:
    """See :meth:`harness.backends.base.Backend.tunable`."""
    cell = request.cell
    prepare_process(cell)
    artefact.require_compiler()
    network = load_checkpoint(request.checkpoint, cell, attention="sdpa")
    calibrated = calibrated_once(request, network)
    torch.use_deterministic_algorithms(False)
    names, vocabulary = input_names(network), network.config.vocab_size
    exported = pt2e_graph.export(pt2e_graph.Logits(network), names, vocabulary).module()
    every = quantized_linears(network, ())

    def graph_of(recipe: Recipe | None) -> torch.nn.Module:
        if recipe is None:
            return pt2e_graph.Logits(network)
        approach = cell_of(cell, recipe).approach
        kept = set(every) - set(quantized_linears(network, approach.fallback))
        shown = tuple(example(names, vocabulary).values())
        return _quantized(copy.deepcopy(exported), kept, shown, approach, calibrated)

    def make(recipe: Recipe | None, out: Path) -> None:
        module = graph_of(recipe)
        request.report.progress("tune", 0, 1, "compiling, a minute or so")
        artefact.save(pt2e_graph.export(module, names, vocabulary), names, out)
        artefact.require_same_as(out, module, vocabulary, "fp32" if recipe is None else "int8")

    def preview(recipe: Recipe) -> Run:
        return pt2e_graph.runner(graph_of(recipe), names)

    proxy = torch_proxy(request, network, calibrated, quantized_outputs=False)
    builder = CandidateBuilder(calibrated.multiplications, make, proxy.divergence, preview)
    subject = CandidateSubject(request, builder)
    return Tunable(subject, torch_recipes(cell), subject.save, provenance(request))


def _quantized(
    graph: GraphModule,
    kept: set[str],
    shown: tuple[torch.Tensor, ...],
    approach: ApproachConfig,
    calibrated: Calibrated,
) -> torch.nn.Module:
    prepared = prepare_pt2e(graph, quantizer(by_minmax(approach), [f"network.{name}" for name in sorted(kept)]))
    # The weights' observers see them when the graph runs, whatever its inputs are.
    with torch.no_grad():
        prepared(*shown)
    if approach.method == "static":
        for node in prepared.graph.nodes:
            observes = node.op == "call_module" and hasattr(prepared.get_submodule(node.target), "calculate_qparams")
            if observes and node.args[0].op != "get_attr":
                put_range(prepared, node, _places(prepared, node), calibrated.histograms, approach.activation)
    return convert_pt2e(prepared)


def _places(prepared: GraphModule, observer: Node) -> Iterator[str]:
    """Yield where hooks have seen what an observer observes: as the input of the layers whose weights it meets."""
    for user in observer.users:
        if user.target == torch.ops.aten.linear.default:
            weight = user.args[1]
            while weight.op != "get_attr":
                weight = weight.args[0]
            yield weight.target.removeprefix("network.").removesuffix(".weight") + ".input"
