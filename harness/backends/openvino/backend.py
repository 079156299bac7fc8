"""OpenVINO on the CPU: the network as OpenVINO's IR, quantized by NNCF.

The artefact is ``model.xml`` and ``model.bin``, which load without PyTorch and take batches of any size and length.
Methods: none, cast (the runtime's bf16), static (fake quantizers that the runtime turns into INT8 products), dynamic
and weight_only (8-bit weights; their products in INT8 with activations quantized at run time, or in FP32).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.backends.base import Backend as Contract
from harness.backends.base import ExecutedPrecision, ExternalTuner, Tunable, TuningRequest
from harness.backends.common import external_tuners
from harness.backends.openvino import quantizer
from harness.backends.openvino.runtime import MODEL, import_openvino, properties
from harness.config.variables import TORCH

if TYPE_CHECKING:
    from harness.config.cell import Cell
    from harness.data.any_rows import AnyRows
    from harness.ipc.report import Report


class Backend(Contract):
    """fp32, bf16, static and dynamic INT8, and 8-bit weights alone."""

    variables = (*TORCH, "OV_")
    external_tuners: ClassVar[Mapping[str, ExternalTuner]] = {"nncf": ExternalTuner(("accuracy_control",))}

    @staticmethod
    def supports(cell: Cell, isa: Collection[str] | None = None) -> str | None:
        return quantizer.unsupported(cell, isa)

    def quantize(self, checkpoint: Path, cell: Cell, train: AnyRows, out: Path, report: Report) -> dict[str, Any]:
        from harness.backends.openvino import export

        return export.make(import_openvino(), checkpoint, cell, train, out / MODEL, report)

    def tunable(self, request: TuningRequest) -> Tunable:
        if external_tuners.is_external(request.cell):
            from harness.backends.openvino import nncf

            return nncf.tunable(request)
        from harness.backends.openvino.tuning import tunable

        return tunable(import_openvino(), request)

    def load(self, artefact: Path, cell: Cell) -> None:
        openvino = import_openvino()
        self._file, self._properties = artefact / MODEL, properties(cell)
        self._compiled = openvino.Core().compile_model(self._file, "CPU", self._properties)
        self._request = self._compiled.create_infer_request()
        self._names = [port.any_name for port in self._compiled.inputs]
        self._method = cell.approach.method

    def inputs(self, batch: Mapping[str, np.ndarray]) -> Any:
        return {name: np.ascontiguousarray(batch[name]) for name in self._names}

    def forward(self, inputs: Any) -> Any:
        return self._request.infer(inputs, share_inputs=True, share_outputs=True)

    def logits(self, outputs: Any) -> np.ndarray:
        # A copy: the runtime writes the next outputs into the same memory.
        return np.array(outputs[0], np.float32)

    def executed_precision(self, inputs: Any) -> ExecutedPrecision:
        from harness.backends.openvino import precision

        self.forward(inputs)  # a kernel is chosen when the sizes are known
        return precision.verify_precision(self._compiled, self._method, self._file, self._properties, inputs)
