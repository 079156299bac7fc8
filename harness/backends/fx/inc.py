"""FX tuned by Neural Compressor 2.x."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.backends.torch_common import fx_graph
from harness.backends.torch_common.network import load_checkpoint, prepare_process
from harness.backends.torch_common.tuning import inc

if TYPE_CHECKING:
    from torch.fx import GraphModule

    from harness.backends.base import Tunable, TuningRequest

_FLOAT = {"weight": {"dtype": ["fp32"]}, "activation": {"dtype": ["fp32"]}}


def tunable(request: TuningRequest) -> Tunable:
    """Return a cell of FX as what Neural Compressor tunes: the traced graph, of which it quantizes linear layers."""
    prepare_process(request.cell)
    network = load_checkpoint(request.checkpoint, request.cell, attention="eager")
    names = fx_graph.traced_names(network)
    # Its global configuration would observe sizes, which are no tensors.
    options = {"op_name_dict": {"default_qconfig": _FLOAT}}
    return inc.tunable(request, fx_graph.trace(network), names, options, lambda adaptor, key: key[0], _store_graph)


def _store_graph(quantized: Any, out: Path) -> None:
    graph: GraphModule = quantized._model
    for module in graph.modules():
        # Strategies look at outputs through them, and have an embedding's indices made contiguous, as ours are.
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    fx_graph.save(fx_graph.finish(graph), out)
