"""PT2E and Inductor: the exported model, quantized in its graph, compiled ahead of time into a package of native code.

The package (``.pt2``, by AOTInductor) loads in a fraction of a second, and without torchao or the model's classes. Its
code is compiled for the instruction set of the host that made it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.backends.base import AUTOTUNE, ExecutedPrecision, ExternalTuner, Tunable, TuningRequest
from harness.backends.base import Backend as Contract
from harness.backends.common import external_tuners, tuner_support
from harness.backends.torch_common import qconfig
from harness.config import instructions
from harness.config.variables import TORCH

if TYPE_CHECKING:
    import numpy as np
    import torch

    from harness.config.cell import Cell
    from harness.config.schema import QuantizerConfig
    from harness.data.any_rows import AnyRows
    from harness.ipc.report import Report

METHODS = ("none", "cast", "dynamic", "static", "qat")

_NO_BF16 = "without AVX-512 Inductor leaves BF16 products to kernels that no log shows, so nothing proves what ran"


class Backend(Contract):
    """See :class:`harness.backends.base.Backend`; a batch is a tuple of tensors, an output the logits."""

    variables = (*TORCH, "TORCHINDUCTOR_")
    external_tuners: ClassVar[Mapping[str, ExternalTuner]] = {"inc": ExternalTuner(AUTOTUNE)}

    @staticmethod
    def supports(cell: Cell, isa: Collection[str] | None = None) -> str | None:
        because = (
            qconfig.unsupported(cell, METHODS, tunes=True)
            or tuner_support.unscored(cell)
            or instructions.unsupported(cell, isa, "cast", instructions.BF16_EMULATED, _NO_BF16)
        )
        if because is not None:
            return because
        if cell.backend.engine is not None:
            return f"backend.engine={cell.backend.engine}: Inductor has one engine, oneDNN"
        if cell.approach.precision != "int8":
            return None
        return _unsupported(cell.approach.weight, cell.approach.method)

    def quantize(self, checkpoint: Path, cell: Cell, train: AnyRows, out: Path, report: Report) -> dict[str, Any]:
        import torch

        from harness.backends.pt2e import artefact as pt2e_package
        from harness.backends.pt2e import graph
        from harness.backends.torch_common.network import input_names, load_checkpoint, prepare_process

        prepare_process(cell)
        pt2e_package.require_compiler()
        network = load_checkpoint(checkpoint, cell, attention="sdpa")
        names = input_names(network)
        provenance: dict[str, Any] = {}
        if cell.approach.method in ("none", "cast"):
            dtype = torch.bfloat16 if cell.approach.method == "cast" else torch.float32
            module = graph.Logits(network.to(dtype))
        else:
            module, provenance = graph.quantized(network, cell, train, report)
        report.progress("compile", 0, 1, "a minute or so")
        exported = graph.export(module, names, network.config.vocab_size)
        compiled = pt2e_package.save(exported, names, out)
        same = pt2e_package.require_same_as(out, module, network.config.vocab_size, cell.approach.precision)
        return {**provenance, **compiled, **same}

    def tunable(self, request: TuningRequest) -> Tunable:
        if external_tuners.is_external(request.cell):
            from harness.backends.pt2e import inc

            return inc.autotune(request)
        from harness.backends.pt2e.tuning import tunable

        return tunable(request)

    def load(self, artefact: Path, cell: Cell) -> None:
        import torch

        from harness.backends.pt2e import artefact as pt2e_package

        self._package, self._names = pt2e_package.load(artefact)
        self._no_gradients = torch.no_grad

    def inputs(self, batch: Mapping[str, np.ndarray]) -> tuple[torch.Tensor, ...]:
        from harness.backends.torch_common.network import tensors

        return tuple(tensors(batch, self._names).values())

    def forward(self, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        with self._no_gradients():
            return self._package(*inputs)

    def logits(self, outputs: torch.Tensor) -> np.ndarray:
        return outputs.float().numpy()

    def executed_precision(self, inputs: tuple[torch.Tensor, ...]) -> ExecutedPrecision:
        import torch

        from harness.backends.common.onednn import executed_precision

        switch = torch.backends.mkldnn
        return executed_precision(lambda: self.forward(inputs), lambda: switch.verbose(switch.VERBOSE_ON))


def _unsupported(weight: QuantizerConfig, method: str) -> str | None:
    """Return why Inductor's INT8 linear layer, or torchao's observers, cannot have such a weight."""
    if weight.scheme != "symmetric":
        return "approach.weight.scheme=affine: oneDNN takes weights whose zero point is 0"
    if weight.granularity != "per_channel":
        return "approach.weight.granularity=per_tensor: Inductor finds its INT8 layer by weights with a scale a channel"
    if weight.observer not in ("minmax", "moving_average") or (weight.observer != "minmax" and method != "qat"):
        wanted = "minmax or moving_average" if method == "qat" else "minmax"
        return f"approach.weight.observer={weight.observer}: torchao has {wanted} for the channels of a weight"
    return None
