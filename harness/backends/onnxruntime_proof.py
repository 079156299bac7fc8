"""Which precision ONNX Runtime really executed, from its profiler."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.backends.base import ExecutedPrecision
from harness.backends.onnxruntime import session

#: Operators that multiply and add integers of 8 bits.
_INT8 = (
    *("QLinearMatMul", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "QGemm", "QAttention"),
    *("QLinearConv", "ConvInteger"),
)

#: Operators that multiply and add what their first input is.
_FLOAT = ("MatMul", "FusedMatMul", "Gemm", "FusedGemm", "Attention", "MultiHeadAttention", "Conv", "FusedConv")

_KERNEL = "_kernel_time"


def prove(file: Path, inputs: Mapping[str, np.ndarray]) -> ExecutedPrecision:
    """Run a batch once in a session with the profiler on, and count the products by precision."""
    with tempfile.TemporaryDirectory() as folder:
        profiled = session(file, Path(folder) / "profile")
        profiled.run(None, dict(inputs))
        events = json.loads(Path(profiled.end_profiling()).read_text())
    kinds: Counter[str] = Counter()
    kernels: Counter[str] = Counter()
    for event in events:
        if event.get("cat") != "Node" or not event["name"].endswith(_KERNEL):
            continue
        operator = event["args"]["op_name"]
        precision = _precision(operator, event["args"])
        if precision is not None:
            kinds[precision] += 1
            kernels[operator] += 1
    counts = (kinds["int8"], kinds["bf16"], kinds["fp32"])
    return ExecutedPrecision(*counts, "ONNX Runtime profiler", dict(sorted(kernels.items())))


def _precision(operator: str, facts: dict[str, Any]) -> str | None:
    if operator in _INT8:
        return "int8"
    if operator in _FLOAT:
        first = next(iter(facts["input_type_shape"][0]))
        return "bf16" if first == "bfloat16" else "fp32"
    return None
