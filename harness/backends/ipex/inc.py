"""IPEX tuned by Neural Compressor 2.x."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from harness.backends.ipex.artefact import SCRIPT_FILE
from harness.backends.torch_common.example import example
from harness.backends.torch_common.network import input_names, load_checkpoint, prepare_process
from harness.backends.torch_common.tuning import inc

if TYPE_CHECKING:
    from harness.backends.base import Tunable, TuningRequest


def tunable(request: TuningRequest) -> Tunable:
    """Return a cell of IPEX as what Neural Compressor tunes: the network, and IPEX's own recipe op by op."""
    prepare_process(request.cell)
    network = load_checkpoint(request.checkpoint, request.cell, attention="eager")
    names = input_names(network)
    options = {
        "backend": "ipex",
        "example_inputs": example(names, network.config.vocab_size),
        # The other algorithm, kl, is written with an argument that this IPEX's observers do not take.
        "op_type_dict": {".*": {"activation": {"algorithm": ["minmax"]}}},
    }
    return inc.tunable(request, network, names, options, _ipex_name, _store_script)


def _store_script(quantized: Any, out: Path) -> None:
    torch.jit.save(quantized._model, str(out / SCRIPT_FILE))


def _ipex_name(adaptor: Any, key: Any) -> str:
    """Return the module of an op of IPEX's recipe, and which of its operations where the module is no layer."""
    parts = []
    for module, _, place in key[0]:
        operation = adaptor.cfgs[module]["q_op_infos"][place]
        where = operation.get("fqn") or module.strip()
        parts.append(where if operation.get("fqn") else f"{where}:{operation['op_type'].rpartition('.')[2]}{place}")
    return "+".join(parts)
