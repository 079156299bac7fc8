"""FX and IPEX tuned by Neural Compressor 2.x."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from harness.backends import inc_tuning, torch_graph
from harness.backends.torch_example import example
from harness.backends.torch_network import input_names, load_checkpoint, prepare_process, tensors
from harness.tuning import inc
from harness.tuning.foreign import Offers

if TYPE_CHECKING:
    from torch.fx import GraphModule

    from harness.backends.base import ToTune, Tunable
    from harness.tuning.recipe import Recipe
    from harness.tuning.trials import Trials

_FLOAT = {"weight": {"dtype": ["fp32"]}, "activation": {"dtype": ["fp32"]}}


def fx(asked: ToTune) -> Tunable:
    """Return a cell of FX as what Neural Compressor tunes: the traced graph, of which it quantizes linear layers."""
    prepare_process(asked.cell)
    network = load_checkpoint(asked.checkpoint, asked.cell, attention="eager")
    names = torch_graph.traced_names(network)
    # Its global configuration would observe sizes, which are no tensors.
    options = {"op_name_dict": {"default_qconfig": _FLOAT}}
    return _tunable(asked, torch_graph.trace(network), names, options, lambda adaptor, key: key[0], _store_graph)


def ipex(asked: ToTune) -> Tunable:
    """Return a cell of IPEX as what Neural Compressor tunes: the network, and IPEX's own recipe op by op."""
    prepare_process(asked.cell)
    network = load_checkpoint(asked.checkpoint, asked.cell, attention="eager")
    names = input_names(network)
    options = {
        "backend": "ipex",
        "example_inputs": example(names, network.config.vocab_size),
        # The other algorithm, kl, is written with an argument that this IPEX's observers do not take.
        "op_type_dict": {".*": {"activation": {"algorithm": ["minmax"]}}},
    }
    return _tunable(asked, network, names, options, _ipex_name, _store_script)


def _tunable(
    asked: ToTune, model: torch.nn.Module, names: tuple[str, ...], options: dict[str, Any], named: Any, store: Any
) -> Tunable:
    # Quantized embeddings take no indices that are repeated by their strides, as counted positions are.
    shown = inc_tuning.Shown(asked, lambda batch: {n: v.contiguous() for n, v in tensors(batch, names).items()})
    offers, tuner, reduced = Offers(), asked.cell.tuner, asked.cell.approach.activation.reduce_range
    config = functools.partial(_config, calibration_sampling_size=[shown.samples], **options)

    def search(trials: Trials, recipes: list[Recipe]) -> None:
        from neural_compressor.adaptor import pytorch

        # Its own choice is by what this host's CPU has; ours is the approach's.
        pytorch.REDUCE_RANGE = reduced
        method, workspace = asked.cell.approach.method, inc_tuning.workspace(asked)
        inc.fit(trials, offers, tuner.strategy, model, config, shown, named, method, workspace, reduce_range=reduced)

    provenance = {"calibration": shown.calibration.provenance()}
    return inc_tuning.tunable(asked, offers, store, search, provenance)


def _config(**options: Any) -> Any:
    from neural_compressor import PostTrainingQuantConfig

    # BF16 where the CPU has it would make a recipe mean another thing on each host.
    return PostTrainingQuantConfig(approach="static", excluded_precisions=["bf16", "fp16"], **options)


def _store_graph(quantized: Any, out: Path) -> None:
    graph: GraphModule = quantized._model
    for module in graph.modules():
        # Strategies look at outputs through them, and have an embedding's indices made contiguous, as ours are.
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    torch_graph.save(torch_graph.finish(graph), out)


def _store_script(quantized: Any, out: Path) -> None:
    from harness.backends.ipex_script import SCRIPT_FILE

    torch.jit.save(quantized._model, str(out / SCRIPT_FILE))


def _ipex_name(adaptor: Any, key: Any) -> str:
    """Return the module of an op of IPEX's recipe, and which of its operations where the module is no layer."""
    parts = []
    for module, _, place in key[0]:
        operation = adaptor.cfgs[module]["q_op_infos"][place]
        where = operation.get("fqn") or module.strip()
        parts.append(where if operation.get("fqn") else f"{where}:{operation['op_type'].rpartition('.')[2]}{place}")
    return "+".join(parts)
