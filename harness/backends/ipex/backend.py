"""Intel Extension for PyTorch: the model optimised by ``ipex.optimize`` or its quantizer, traced and frozen.

The artefact is TorchScript, which takes any batch and length and loads without the model's classes. Importing IPEX
changes how torch dispatches, and imports transformers of its own accord where that is installed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.backends.base import FIT, ExecutedPrecision, ExternalTuner, Tunable, TuningRequest
from harness.backends.base import Backend as Contract
from harness.backends.torch_common import qconfig
from harness.config import instructions
from harness.config.variables import TORCH

if TYPE_CHECKING:
    import numpy as np
    import torch

    from harness.config.cell import Cell
    from harness.config.schema import ApproachConfig
    from harness.data.any_rows import AnyRows
    from harness.ipc.report import Report

METHODS = ("none", "cast", "static")
OBSERVERS = ("minmax", "moving_average", "histogram")

#: Linear layers in FP32, which IPEX leaves to MKL. So are the products of attention there, which no profile shows.
_MKL = ("ipex_prepack::mkl_sgemm_run", "aten::addmm")


class Backend(Contract):
    """See :class:`harness.backends.base.Backend`; a batch is a tuple of tensors, an output a dict with ``logits``."""

    variables = (*TORCH, "IPEX_")
    external_tuners: ClassVar[Mapping[str, ExternalTuner]] = {
        "inc": ExternalTuner(
            FIT,
            {
                "mse": "Neural Compressor's mse cannot look at the tensors inside a model of IPEX",
                "mse_v2": "Neural Compressor has no mse_v2 for IPEX, and would run basic in its place",
            },
            by_channel_alone=True,
        )
    }

    @staticmethod
    def supports(cell: Cell, isa: Collection[str] | None = None) -> str | None:
        reasons = {
            "dynamic": "IPEX has no dynamic quantization of its own beside torch's, which the backend eager measures",
            "qat": "IPEX has no training path; the backends fx and pt2e have",
        }
        if cell.approach.method in reasons:
            return f"approach.method={cell.approach.method}: {reasons[cell.approach.method]}"
        because = qconfig.unsupported(cell, METHODS) or instructions.unsupported(
            cell, isa, "cast", instructions.BF16_EMULATED, "IPEX refuses to pack BF16 weights without AVX-512"
        )
        if because is not None:
            return because
        if cell.backend.engine is not None:
            return f"backend.engine={cell.backend.engine}: IPEX has one engine, oneDNN"
        return _unsupported(cell.approach) if cell.approach.method == "static" else None

    def quantize(self, checkpoint: Path, cell: Cell, train: AnyRows, out: Path, report: Report) -> dict[str, Any]:
        import intel_extension_for_pytorch as ipex
        import torch

        from harness.backends.ipex import artefact as ipex_script
        from harness.backends.torch_common.network import load_checkpoint, prepare_process

        prepare_process(cell)
        # The fused attention kernel would hide its products from the quantizer and from IPEX's own fusions.
        network = load_checkpoint(checkpoint, cell, attention="eager")
        provenance: dict[str, Any] = {"ipex": ipex.__version__}
        if cell.approach.method == "static":
            from harness.backends.ipex.static import static

            optimised, made = static(network, cell, train, report)
            provenance |= made
        else:
            dtype = torch.bfloat16 if cell.approach.method == "cast" else torch.float32
            optimised = ipex.optimize(network, dtype=dtype, inplace=True)
        return provenance | ipex_script.save(optimised, cell.approach.precision, out)

    def tunable(self, request: TuningRequest) -> Tunable:
        from harness.backends.ipex import inc

        return inc.tunable(request)

    def load(self, artefact: Path, cell: Cell) -> None:
        import intel_extension_for_pytorch  # noqa: F401  (registers the operations that the script calls)
        import torch

        from harness.backends.ipex import artefact as ipex_script

        self._script, self._names = ipex_script.load(artefact)
        self._no_gradients = torch.no_grad

    def inputs(self, batch: Mapping[str, np.ndarray]) -> tuple[torch.Tensor, ...]:
        from harness.backends.torch_common.network import tensors

        return tuple(tensors(batch, self._names).values())

    def forward(self, inputs: tuple[torch.Tensor, ...]) -> dict[str, torch.Tensor]:
        with self._no_gradients():
            return self._script(*inputs)

    def logits(self, outputs: dict[str, torch.Tensor]) -> np.ndarray:
        return outputs["logits"].float().numpy()

    def executed_precision(self, inputs: tuple[torch.Tensor, ...]) -> ExecutedPrecision:
        import intel_extension_for_pytorch as ipex

        from harness.backends.common.onednn import executed_precision

        return executed_precision(lambda: self.forward(inputs), lambda: ipex.verbose(ipex.VERBOSE_ON), _MKL)


def _unsupported(approach: ApproachConfig) -> str | None:
    if approach.activation.scheme != "affine":
        return "approach.activation.scheme=symmetric: oneDNN's softmax gives codes whose zero point is 0 only"
    if approach.activation.observer not in OBSERVERS:
        return f"approach.activation.observer={approach.activation.observer}: IPEX takes {', '.join(OBSERVERS)}"
    if approach.weight.observer != "minmax":
        return f"approach.weight.observer={approach.weight.observer}: IPEX takes minmax"
    if approach.weight.scheme != "symmetric":
        return "approach.weight.scheme=affine: oneDNN takes weights whose zero point is 0"
    return None
