"""PyTorch FX graph mode quantization: the traced model with observers or fake quantizers, converted to real INT8.

The converted graph is kept and executed as TorchScript: it loads without transformers, gives the same logits as the
graph in Python, and takes less time between two kernels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.backends.base import FIT, ExecutedPrecision, ExternalTuner, Tunable, TuningRequest
from harness.backends.base import Backend as Contract
from harness.backends.common import external_tuners
from harness.backends.common.linear_layers import quantized_linears
from harness.backends.torch_common import qconfig
from harness.config.variables import TORCH

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch.fx import GraphModule
    from transformers import PreTrainedModel

    from harness.config.cell import Cell
    from harness.data.any_rows import AnyRows
    from harness.ipc.report import Report

METHODS = ("none", "cast", "static", "qat")


class Backend(Contract):
    """See :class:`harness.backends.base.Backend`; a batch is a tuple of tensors, an output the logits."""

    variables = TORCH
    external_tuners: ClassVar[Mapping[str, ExternalTuner]] = {
        "inc": ExternalTuner(
            FIT,
            {"mse": "Neural Compressor's mse fails in its own analysis: it loses outputs of layers of a traced graph"},
            by_channel_alone=True,
        )
    }

    @staticmethod
    def supports(cell: Cell, isa: Collection[str] | None = None) -> str | None:
        return qconfig.unsupported(cell, METHODS, ("text", "image"), tunes=True)

    def quantize(self, checkpoint: Path, cell: Cell, train: AnyRows, out: Path, report: Report) -> dict[str, Any]:
        import torch

        from harness.backends.torch_common import fx_graph
        from harness.backends.torch_common.network import load_checkpoint, prepare_process

        prepare_process(cell)
        network = load_checkpoint(checkpoint, cell, attention="eager")
        provenance: dict[str, Any] = {}
        if cell.approach.method in ("none", "cast"):
            # Cast before it is traced: the graph holds the type of its attention mask.
            dtype = torch.bfloat16 if cell.approach.method == "cast" else torch.float32
            graph = fx_graph.trace(network.to(dtype))
        elif cell.approach.method == "static":
            graph, provenance = static(network, cell, train, report)
        else:
            graph, provenance = trained(network, cell, train, report)
        fx_graph.save(fx_graph.finish(graph), out)
        return provenance

    def tunable(self, request: TuningRequest) -> Tunable:
        if external_tuners.is_external(request.cell):
            from harness.backends.fx import inc

            return inc.tunable(request)
        from harness.backends.fx.tuning import tunable

        return tunable(request)

    def load(self, artefact: Path, cell: Cell) -> None:
        import torch

        from harness.backends.torch_common import fx_graph

        torch.backends.quantized.engine = qconfig.engine(cell)
        self._script, self._names = fx_graph.load(artefact)
        self._no_gradients = torch.inference_mode

    def inputs(self, batch: Mapping[str, np.ndarray]) -> tuple[torch.Tensor, ...]:
        from harness.backends.torch_common.network import tensors

        return tuple(tensors(batch, self._names).values())

    def forward(self, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        with self._no_gradients():
            return self._script(*inputs)

    def logits(self, outputs: torch.Tensor) -> np.ndarray:
        return outputs.float().numpy()

    def executed_precision(self, inputs: tuple[torch.Tensor, ...]) -> ExecutedPrecision:
        from harness.backends.torch_common.precision import executed_precision

        return executed_precision(lambda: self.forward(inputs))


def static(network: PreTrainedModel, cell: Cell, train: AnyRows, report: Report) -> tuple[GraphModule, dict[str, Any]]:
    """Return the INT8 graph of `network`, its ranges from the calibration rows, and its provenance."""
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    from harness.approaches.calibration import choose
    from harness.backends.torch_common.fx_graph import example, trace, traced_names
    from harness.backends.torch_common.network import calibrate

    layers = quantized_linears(network, cell.approach.fallback)
    mapping = qconfig.mapping(layers, qconfig.static_qconfig(cell.approach))
    prepared = prepare_fx(trace(network), mapping, tuple(example(network, 2, 16).values()))
    calibration = choose(train.lengths, cell.approach.calibration)
    calibrate(prepared, traced_names(network), train, calibration, report)
    return convert_fx(prepared), qconfig.provenance(cell, layers) | {"calibration": calibration.provenance()}


def fake_quantized(
    network: PreTrainedModel, cell: Cell, train: AnyRows, report: Report
) -> tuple[GraphModule, list[float]]:
    """Return the graph of `network` trained with fake quantization, not yet converted, and the loss of each step.

    What fine-tuning kept frozen stays frozen.
    """
    from torch.ao.quantization.quantize_fx import prepare_qat_fx

    from harness.approaches.training import freeze
    from harness.backends.torch_common import qat
    from harness.backends.torch_common.fx_graph import example, trace, traced_names

    if not cell.model.fine_tuned:
        freeze(network, cell.task.fine_tune.frozen)
    layers = quantized_linears(network, cell.approach.fallback)
    mapping = qconfig.mapping(layers, qconfig.qat_qconfig(cell.approach))
    # Traced in evaluation mode, in which the mask and the attention are what inference will run; then trained.
    prepared = prepare_qat_fx(trace(network).train(), mapping, tuple(example(network, 2, 16).values()))
    losses = qat.train(prepared, traced_names(network), train, cell.approach.qat, report)
    return prepared, losses


def trained(network: PreTrainedModel, cell: Cell, train: AnyRows, report: Report) -> tuple[GraphModule, dict[str, Any]]:
    """Return the INT8 graph of quantization-aware training and its provenance.

    The provenance holds the share of the calibration rows for which the INT8 graph predicts what the trained graph
    with fake quantization does: where it is low, the conversion lost what training had gained.
    """
    import numpy as np
    import torch
    from torch.ao.quantization.quantize_fx import convert_fx

    from harness.approaches.calibration import choose
    from harness.approaches.training import LOSS_STEPS
    from harness.backends.torch_common.fx_graph import traced_names
    from harness.backends.torch_common.network import all_logits

    layers = quantized_linears(network, cell.approach.fallback)
    names = traced_names(network)
    prepared, losses = fake_quantized(network, cell, train, report)
    shown = choose(train.lengths, cell.approach.calibration)
    fake = all_logits(prepared, names, train, shown)
    graph = convert_fx(prepared)
    # torch has not marked the resizing of a quantized tensor as deterministic, though it moves no data.
    torch.use_deterministic_algorithms(False)
    real = all_logits(graph, names, train, shown)
    means = [float(np.mean(losses[at : at + LOSS_STEPS])) for at in range(0, len(losses), LOSS_STEPS)]
    same = {"rows": len(fake), "agreement": float(np.mean(fake.argmax(axis=1) == real.argmax(axis=1)))}
    if cell.task.kind == "regression":
        same = {"rows": len(fake), "largest_difference": float(np.abs(fake - real).max())}
    training = {"steps": len(losses), "losses": means, "int8_against_fake_quantization": same}
    return graph, qconfig.provenance(cell, layers) | {"qat": training}
