"""The model as an exported graph of any batch and length, and its quantization before it is compiled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.approaches.calibration import choose
from harness.backends.common.linear_layers import quantized_linears
from harness.backends.torch_common.example import example
from harness.backends.torch_common.network import all_logits, calibrate, input_names, tensors

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.backends.common.candidates import Run
    from harness.config.cell import Cell
    from harness.data.any_rows import AnyRows
    from harness.ipc.report import Report


class Logits(torch.nn.Module):
    """A network of transformers that takes its arrays by position and returns the logits alone."""

    def __init__(self, network: torch.nn.Module):
        super().__init__()
        self.network = network

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        segments = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        return self.network(input_ids=input_ids, attention_mask=attention_mask, **segments).logits


class _Named(torch.nn.Module):
    """A graph behind the face of a network of transformers, for what calibrates and trains one."""

    def __init__(self, graph: torch.nn.Module):
        super().__init__()
        self.graph = graph

    def forward(self, **arrays: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": self.graph(*arrays.values())}

    def train(self, mode: bool = True) -> _Named:
        # A graph knows one mode: evaluation, because an export in training mode bakes dropout into attention.
        return self


def export(module: torch.nn.Module, names: tuple[str, ...], vocabulary: int) -> torch.export.ExportedProgram:
    """Return the graph of `module` for any number of rows and tokens."""
    inputs = tuple(example(names, vocabulary).values())
    shape = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    return torch.export.export(module, inputs, dynamic_shapes=(shape,) * len(inputs))


def runner(module: torch.nn.Module, names: tuple[str, ...]) -> Run:
    """Return what runs batches of arrays through a module that gives the logits alone, uncompiled."""

    def run(batch: Mapping[str, np.ndarray]) -> np.ndarray:
        with torch.no_grad():
            return module(*tensors(batch, names).values()).float().numpy()

    return run


def quantized(
    network: PreTrainedModel, cell: Cell, train: AnyRows, report: Report
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """Return the quantized graph of `network` and its provenance."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e, prepare_qat_pt2e

    from harness.backends.pt2e.quantizer import quantizer

    layers = quantized_linears(network, cell.approach.fallback)
    kept = set(quantized_linears(network, ())) - set(layers)
    chosen = quantizer(cell.approach, [f"network.{name}" for name in sorted(kept)])
    names, method = input_names(network), cell.approach.method
    if method == "qat" and not cell.model.fine_tuned:
        from harness.approaches.training import freeze

        freeze(network, cell.task.fine_tune.frozen)
    graph = export(Logits(network), names, network.config.vocab_size).module()
    prepared = (prepare_qat_pt2e if method == "qat" else prepare_pt2e)(graph, chosen)
    provenance: dict[str, Any] = {"quantized_layers": len(layers), "fallback": list(cell.approach.fallback)}
    if method == "static":
        calibration = choose(train.lengths, cell.approach.calibration)
        calibrate(_Named(prepared), names, train, calibration, report)
        provenance["calibration"] = calibration.provenance()
    if method == "dynamic":
        # The weights' observers see them when the graph runs, whatever its inputs are.
        with torch.no_grad():
            prepared(*example(names, network.config.vocab_size).values())
    if method != "qat":
        return convert_pt2e(prepared), provenance
    return _trained(prepared, names, cell, train, report, provenance)


def _trained(
    prepared: torch.nn.Module,
    names: tuple[str, ...],
    cell: Cell,
    train: AnyRows,
    report: Report,
    provenance: dict[str, Any],
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """Train the fake quantizers' graph and convert it.

    The provenance holds the share of the calibration rows for which the converted graph predicts what the trained graph
    does: where it is low, the conversion lost what training had gained.
    """
    from torch.ao.quantization.fake_quantize import FakeQuantizeBase
    from torchao.quantization.pt2e.fake_quantize import FakeQuantizeBase as OwnBase
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e

    from harness.approaches.training import LOSS_STEPS
    from harness.backends.torch_common import qat

    # Training has the ranges stand still by torch's function, which asks whether a module is of torch's own class.
    FakeQuantizeBase.register(OwnBase)
    losses = qat.train(_Named(prepared), names, train, cell.approach.qat, report)
    shown = choose(train.lengths, cell.approach.calibration)
    fake = all_logits(_Named(prepared), names, train, shown)
    graph = convert_pt2e(prepared)
    real = all_logits(_Named(graph), names, train, shown)
    means = [float(np.mean(losses[at : at + LOSS_STEPS])) for at in range(0, len(losses), LOSS_STEPS)]
    agreement = float(np.mean(fake.argmax(axis=1) == real.argmax(axis=1)))
    if cell.task.kind == "regression":
        same = {"rows": len(fake), "largest_difference": float(np.abs(fake - real).max())}
    else:
        same = {"rows": len(fake), "agreement": agreement}
    return graph, provenance | {
        "qat": {"steps": len(losses), "losses": means, "converted_against_fake_quantization": same}
    }
