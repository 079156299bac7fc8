"""ONNX Runtime's CPU provider: the network as one ONNX file, quantized by ONNX Runtime's own tools.

The artefact is ``model.onnx``, which loads without PyTorch and takes batches of any size and length. Methods: none,
dynamic (products of 8-bit integers, inputs quantized at run time) and static (QDQ, uint8 activations, int8 weights).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.backends import export_network, onnxruntime_recipe
from harness.backends.base import Backend as Contract
from harness.backends.base import ExecutedPrecision, ToTune, Tunable
from harness.plan.variables import TORCH

if TYPE_CHECKING:
    from harness.plan.cell import Cell
    from harness.worker.channel import Report
    from harness.worker.rows import Rows

MODEL = "model.onnx"


class Backend(Contract):
    """fp32, dynamic and static INT8."""

    variables = (*TORCH, "ORT_")

    @staticmethod
    def supports(cell: Cell, isa: Collection[str] | None = None) -> str | None:
        return onnxruntime_recipe.unsupported(cell)

    def quantize(self, checkpoint: Path, cell: Cell, train: Rows, out: Path, report: Report) -> dict[str, Any]:
        from harness.backends import onnxruntime_prepare

        return onnxruntime_prepare.make(checkpoint, cell, train, out / MODEL, report)

    def tunable(self, asked: ToTune) -> Tunable:
        from harness.backends.onnxruntime_tuning import tunable

        return tunable(asked)

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
        from harness.backends import onnxruntime_proof

        return onnxruntime_proof.prove(self._file, inputs)


def import_onnxruntime() -> Any:
    """Import onnxruntime without its reports of use, which a thread beside the measurement would send."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once, when the library is loaded
    import onnxruntime

    return onnxruntime


def session(file: Path, profile: Path | None = None) -> Any:
    """Load a model; `profile` is the beginning of the name of a file that tells which kernels ran."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = export_network.threads()
    options.inter_op_num_threads = 1
    # Spinning threads take the cores from each other on a shared host.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
