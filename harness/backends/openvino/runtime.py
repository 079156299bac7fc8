"""OpenVINO's runtime, as every part of the backend imports it and compiles models for it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from harness.backends.common import export_network
from harness.backends.openvino import quantizer

if TYPE_CHECKING:
    from harness.config.cell import Cell

MODEL = "model.xml"


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
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": quantizer.group_size(approach) if dynamic else 0,
    }


def import_openvino() -> Any:
    """Import openvino, and keep it and NNCF from sending reports of their use: both do without the package."""
    # None stands for a module that cannot be imported; typeshed leaves it out.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
