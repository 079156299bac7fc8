"""PyTorch eager mode: the model's own modules; quantized layers take the place of its linear layers.

Dynamic by ``torch.ao.quantization.quantize_dynamic``; static by a ``QuantWrapper`` around each linear layer, which
quantizes what goes in and dequantizes what comes out, so that the model's code needs no change. A layer that falls back
is simply not wrapped, or, with the approach's option ``fallback_precision: bf16``, runs in bfloat16. QAT is left to FX,
which knows where a fake quantizer belongs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.backends.base import Backend as Contract
from harness.backends.base import ExecutedPrecision, Tunable, TuningRequest
from harness.backends.common.linear_layers import quantized_linears
from harness.backends.torch_common import qconfig
from harness.config.variables import TORCH

if TYPE_CHECKING:
    import numpy as np
    import torch

    from harness.config.cell import Cell
    from harness.config.schema import ApproachConfig
    from harness.data.any_rows import AnyRows
    from harness.ipc.report import Report

METHODS = ("none", "cast", "dynamic", "static")


class Backend(Contract):
    """See :class:`harness.backends.base.Backend`; a batch is a dict of tensors, an output the model's own."""

    variables = TORCH

    @staticmethod
    def supports(cell: Cell, isa: Collection[str] | None = None) -> str | None:
        return qconfig.unsupported(
            cell, METHODS, ("text", "image", "prose"), tunes=True, options=(qconfig.FALLBACK_PRECISION,)
        )

    def quantize(self, checkpoint: Path, cell: Cell, train: AnyRows, out: Path, report: Report) -> dict[str, Any]:
        import torch

        from harness.backends.torch_common import artefact as torch_artefact
        from harness.backends.torch_common.network import load_checkpoint, prepare_process

        prepare_process(cell)
        approach = cell.approach
        network = load_checkpoint(checkpoint, cell, attention=None)
        provenance: dict[str, Any] = {}
        if approach.method == "cast":
            network = network.to(torch.bfloat16)
        elif approach.method == "dynamic":
            layers = quantized_linears(network, approach.fallback)
            network = _dynamic(network, layers, approach)
            provenance = qconfig.provenance(cell, layers)
        elif approach.method == "static":
            layers = quantized_linears(network, approach.fallback)
            network, calibration = _static(network, layers, approach, train, report)
            provenance = qconfig.provenance(cell, layers) | {"calibration": calibration}
        if qconfig.fallback_precision(approach) == "bf16":
            # What could be quantized still is what has fallen back.
            for name in quantized_linears(network, ()):
                network.set_submodule(name, torch_artefact.bfloat16_layer(network.get_submodule(name)))
        torch_artefact.save(network, out, reduce_range=approach.activation.reduce_range)
        return provenance

    def tunable(self, request: TuningRequest) -> Tunable:
        from harness.backends.torch_common.tuning.candidates import tunable

        return tunable(request)

    def load(self, artefact: Path, cell: Cell) -> None:
        import torch

        from harness.backends.torch_common import artefact as torch_artefact
        from harness.backends.torch_common.network import input_names

        torch.backends.quantized.engine = qconfig.engine(cell)
        self._network = torch_artefact.load(artefact)
        self._names = input_names(self._network)
        self._no_gradients = torch.inference_mode

    def inputs(self, batch: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
        from harness.backends.torch_common.network import tensors

        return tensors(batch, self._names)

    def forward(self, inputs: dict[str, torch.Tensor]) -> Any:
        with self._no_gradients():
            return self._network(**inputs)

    def logits(self, outputs: Any) -> np.ndarray:
        return outputs.logits.float().numpy()

    def executed_precision(self, inputs: dict[str, torch.Tensor]) -> ExecutedPrecision:
        from harness.backends.torch_common.precision import executed_precision

        return executed_precision(lambda: self.forward(inputs))


def _dynamic(network: torch.nn.Module, layers: list[str], approach: ApproachConfig) -> torch.nn.Module:
    from torch.ao.quantization import quantize_dynamic

    chosen = qconfig.dynamic_qconfig(approach)
    return quantize_dynamic(network, dict.fromkeys(layers, chosen), inplace=True)


def _static(
    network: torch.nn.Module, layers: list[str], approach: ApproachConfig, train: AnyRows, report: Report
) -> tuple[torch.nn.Module, dict[str, Any]]:
    from torch.ao.quantization import QuantWrapper, convert, prepare

    from harness.approaches.calibration import choose
    from harness.backends.torch_common.network import calibrate, input_names

    names = input_names(network)
    chosen = qconfig.static_qconfig(approach)
    for name in layers:
        wrapper = QuantWrapper(network.get_submodule(name))
        wrapper.qconfig = chosen
        network.set_submodule(name, wrapper)
    prepare(network, inplace=True)
    calibration = choose(train.lengths, approach.calibration)
    calibrate(network, names, train, calibration, report)
    return convert(network, inplace=True), calibration.provenance()
