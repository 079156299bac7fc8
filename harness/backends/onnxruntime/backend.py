"""ONNX Runtime's CPU provider: the network as one ONNX file, quantized by ONNX Runtime's own tools.

The artefact is ``model.onnx``, which loads without PyTorch and takes batches of any size and length. Methods: none,
dynamic (products of 8-bit integers, inputs quantized at run time) and static (QDQ, uint8 activations, int8 weights).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.backends.base import Backend as Contract
from harness.backends.base import ExecutedPrecision, Tunable, TuningRequest
from harness.backends.common import export_network
from harness.backends.onnxruntime import quantizer
from harness.backends.onnxruntime.runtime import MODEL, session
from harness.config.variables import TORCH

if TYPE_CHECKING:
    from harness.config.cell import Cell
    from harness.data.any_rows import AnyRows
    from harness.ipc.report import Report


class Backend(Contract):
    """fp32, dynamic and static INT8."""

    variables = (*TORCH, "ORT_")

    @staticmethod
    def supports(cell: Cell, isa: Collection[str] | None = None) -> str | None:
        return quantizer.unsupported(cell)

    def quantize(self, checkpoint: Path, cell: Cell, train: AnyRows, out: Path, report: Report) -> dict[str, Any]:
        from harness.backends.onnxruntime import export

        return export.make(checkpoint, cell, train, out / MODEL, report)

    def tunable(self, request: TuningRequest) -> Tunable:
        from harness.backends.onnxruntime.tuning import tunable

        return tunable(request)

    def load(self, artefact: Path, cell: Cell) -> None:
        self._file = artefact / MODEL
        self._session = session(self._file)
        self._names = [port.name for port in self._session.get_inputs()]

    def inputs(self, batch: Mapping[str, np.ndarray]) -> Any:
        return {name: np.ascontiguousarray(batch[name]) for name in self._names}

    def forward(self, inputs: Any) -> Any:
        return self._session.run([export_network.OUTPUT], inputs)

    def logits(self, outputs: Any) -> np.ndarray:
        return np.asarray(outputs[0], np.float32)

    def executed_precision(self, inputs: Any) -> ExecutedPrecision:
        from harness.backends.onnxruntime import precision

        return precision.verify_precision(self._file, inputs)
