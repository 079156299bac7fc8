"""PyTorch eager mode: the model's own modules; dynamic quantization replaces its Linears.

The artefact is a transformers config and one file of weights, read with ``weights_only``; the INT8 weights in it are
those the kernels use, so nothing is quantized again at load.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.backends import torch_shared
from harness.backends.base import Backend as Contract
from harness.backends.base import ExecutedPrecision
from harness.models.base import architecture

if TYPE_CHECKING:
    from harness.plan.cell import Cell
    from harness.worker.channel import Report
    from harness.worker.rows import Rows

WEIGHTS = "weights.pt"


class Backend(Contract):
    """Eager modules: fp32, bf16 and dynamic INT8."""

    @staticmethod
    def supports(cell: Cell) -> str | None:
        if cell.approach.method == "qat":
            return "quantization-aware training runs in FX graph mode; eager mode would need a rewritten model"
        if cell.approach.method == "static":
            return "static quantization runs in FX graph mode; eager mode would need a rewritten model"
        if cell.tuner.name != "none":
            return f"tuner {cell.tuner.name} does not work on eager modules"
        return torch_shared.unsupported_recipe(cell)

    def quantize(self, checkpoint: Path, cell: Cell, train: Rows, out: Path, report: Report) -> dict[str, Any]:
        import torch

        torch_shared.set_engine(cell)
        network = _checkpoint(checkpoint, cell)
        torch_shared.require_finite(network)
        network = _convert(network, cell)
        network.config.save_pretrained(out)
        torch.save(network.state_dict(), out / WEIGHTS)
        return {"recipe": cell.approach.method, "fallback": list(cell.approach.fallback)}

    def load(self, artefact: Path, cell: Cell) -> None:
        import torch
        from transformers import AutoConfig, AutoModelForSequenceClassification

        torch_shared.set_engine(cell)
        config = AutoConfig.from_pretrained(artefact, local_files_only=True)
        with torch.device("meta"):
            network = AutoModelForSequenceClassification.from_config(config)
        network = _convert(network.to_empty(device="cpu").eval(), cell)
        network.load_state_dict(torch.load(artefact / WEIGHTS, weights_only=True), strict=False)
        _restore_buffers(network)
        self._network = network.eval()
        self._takes = set(inspect.signature(network.forward).parameters)
        torch.set_grad_enabled(False)

    def inputs(self, batch: Mapping[str, np.ndarray]) -> Any:
        return {name: tensor for name, tensor in torch_shared.tensors(batch).items() if name in self._takes}

    def forward(self, inputs: Any) -> Any:
        return self._network(**inputs)

    def logits(self, outputs: Any) -> np.ndarray:
        return outputs.logits.float().numpy()

    def executed_precision(self, inputs: Any) -> ExecutedPrecision:
        return torch_shared.count_executed(self.forward, inputs)


def _checkpoint(folder: Path, cell: Cell) -> Any:
    """Return the FP32 checkpoint; its head is fitted already, whatever the model's config says of the source."""
    import dataclasses

    from transformers import AutoConfig

    names = AutoConfig.from_pretrained(folder, local_files_only=True)
    labels = [] if names.problem_type == "regression" else list(names.id2label.values())
    model = dataclasses.replace(cell.model, fine_tuned=True)
    return architecture(cell.model.architecture).load(folder, model, labels=labels, seed=0)


def _convert(network: Any, cell: Cell) -> Any:
    """Lower the precision of a network in place of its FP32 modules; the same call shapes an empty one for loading."""
    import torch
    from torch.ao.quantization import QConfig, quantize_dynamic
    from torch.ao.quantization.observer import PlaceholderObserver

    approach = cell.approach
    if approach.method == "cast":
        return network.to(torch.bfloat16)
    if approach.method != "dynamic":
        return network
    activation = PlaceholderObserver.with_args(dtype=torch.quint8, is_dynamic=True)
    qconfig = QConfig(activation=activation, weight=torch_shared.weight_observer(approach.weight))
    linears = [name for name, module in network.named_modules() if isinstance(module, torch.nn.Linear)]
    chosen = {name: qconfig for name in linears if name not in approach.fallback}
    return quantize_dynamic(network, chosen, dtype=torch.qint8)


def _restore_buffers(network: Any) -> None:
    """Fill the buffers that a checkpoint does not hold because every model of the class has the same."""
    import torch

    for name, buffer in network.named_buffers():
        if name.endswith("position_ids"):
            buffer.copy_(torch.arange(buffer.shape[-1]).expand(buffer.shape))
        elif name.endswith("token_type_ids"):
            buffer.zero_()
