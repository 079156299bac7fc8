"""OpenVINO on the CPU: the network as OpenVINO's IR, quantized by NNCF.

The artefact is ``model.xml`` and ``model.bin``, which load without PyTorch and take batches of any size and length.
Methods: none, cast (the runtime's bf16), static (fake quantizers that the runtime turns into INT8 products), dynamic
and weight_only (8-bit weights; their products in INT8 with activations quantized at run time, or in FP32).
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.backends import export_network, foreign_tuning, openvino_recipe
from harness.backends.base import Backend as Contract
from harness.backends.base import ExecutedPrecision, ToTune, Tunable
from harness.plan.variables import TORCH

if TYPE_CHECKING:
    from harness.plan.cell import Cell
    from harness.worker.channel import Report
    from harness.worker.rows import Rows

MODEL = "model.xml"


class Backend(Contract):
    """fp32, bf16, static and dynamic INT8, and 8-bit weights alone."""

    variables = (*TORCH, "OV_")

    @staticmethod
    def supports(cell: Cell, isa: Collection[str] | None = None) -> str | None:
        return openvino_recipe.unsupported(cell, isa)

    def quantize(self, checkpoint: Path, cell: Cell, train: Rows, out: Path, report: Report) -> dict[str, Any]:
        from harness.backends import openvino_prepare

        return openvino_prepare.make(import_openvino(), checkpoint, cell, train, out / MODEL, report)

    def tunable(self, asked: ToTune) -> Tunable:
        if foreign_tuning.is_foreign(asked.cell):
            from harness.backends import nncf_tuning

            return nncf_tuning.tunable(asked)
        from harness.backends.openvino_tuning import tunable

        return tunable(import_openvino(), asked)

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
        from harness.backends import openvino_proof

        self.forward(inputs)  # a kernel is chosen when the sizes are known
        return openvino_proof.prove(self._compiled, self._method, self._file, self._properties, inputs)


def properties(cell: Cell) -> dict[str, Any]:
    """Return the properties of the runtime that a cell is compiled with."""
    approach = cell.approach
    dynamic = approach.method == "dynamic"
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": export_network.threads(),
        # The parent has pinned the process.
        "ENABLE_CPU_PINNING": False,
        # Said outright: by its own choice the runtime takes bf16 where the CPU has it.
        "INFERENCE_PRECISION_HINT": "bf16" if approach.method == "cast" else "f32",
        # Said outright: by its own choice the runtime quantizes the inputs of every product with 8-bit weights.
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": openvino_recipe.group_size(approach) if dynamic else 0,
    }


def import_openvino() -> Any:
    """Import openvino, and keep it and NNCF from sending reports of their use: both do without the package."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
