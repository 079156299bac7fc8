"""Static quantization by IPEX: its own recipe of what is quantized, with the observers of the approach.

IPEX quantizes linear layers and, unlike torch, the two products of attention with the softmax between them.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import intel_extension_for_pytorch as ipex
import torch

from harness.approaches.calibration import choose
from harness.backends.common.linear_layers import quantized_linears
from harness.backends.torch_common import qconfig
from harness.backends.torch_common.example import example
from harness.backends.torch_common.network import calibrate, input_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transformers import PreTrainedModel

    from harness.config.cell import Cell
    from harness.data.any_rows import AnyRows
    from harness.ipc.report import Report


def static(
    network: PreTrainedModel, cell: Cell, train: AnyRows, report: Report
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """Return `network` with quantizers, their ranges from the calibration rows, and its provenance."""
    layers = quantized_linears(network, cell.approach.fallback)
    kept = set(quantized_linears(network, ())) - set(layers)
    mapping = torch.ao.quantization.QConfigMapping().set_global(qconfig.static_qconfig(cell.approach))
    names = input_names(network)
    with torch.no_grad():
        inputs = example(names, network.config.vocab_size)
        prepared = ipex.quantization.prepare(network, mapping, example_kwarg_inputs=inputs, inplace=True)
        calibration = choose(train.lengths, cell.approach.calibration)
        calibrate(prepared, names, train, calibration, report)
        if kept:
            fall_back(prepared, kept, cell.approach.fallback, network.base_model_prefix)
        converted = ipex.quantization.convert(prepared, inplace=True)
    made = {"quantized_layers": len(layers), "fallback": list(cell.approach.fallback)}
    return converted, made | {"calibration": calibration.provenance()}


def fall_back(prepared: Any, kept: set[str], fallback: Iterable[str], prefix: str) -> None:
    """Keep the linear layers `kept`, and all other operations of the modules `fallback`, in FP32.

    By IPEX's own way to change its recipe: the summary that it writes as JSON, edited and read again.
    """
    starts = tuple(start for name in fallback for start in (f"{name}.", f"{prefix}.{name}."))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "qconfig.json"
        prepared.save_qconf_summary(str(path))
        summary = json.loads(path.read_text())
        for state in summary.values():
            for operation in state["q_op_infos"].values():
                if operation["fqn"] in kept or f"{operation['fqn']}.".startswith(starts):
                    _in_fp32(operation)
        path.write_text(json.dumps(summary))
        prepared.load_qconf_summary(str(path))


def _in_fp32(operation: dict[str, Any]) -> None:
    for tensor in [*operation["input_tensor_infos"], *operation["weight_tensor_infos"]]:
        for field in ("inf_dtype", "force_dtype"):
            if field in tensor:
                tensor[field] = "torch.float32"
    for tensor in operation["output_tensor_infos"]:
        if "inf_dtype" in tensor:
            tensor["inf_dtype"] = tensor["orig_dtype"]
