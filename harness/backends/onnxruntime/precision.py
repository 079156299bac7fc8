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
from harness.backends.common.multiplications import Tally, of_product
from harness.backends.onnxruntime.runtime import session

#: Operators that multiply and add integers of 8 bits.
_INT8 = (
    *("QLinearMatMul", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "QGemm", "QAttention"),
    *("QLinearConv", "ConvInteger"),
)

#: Operators that multiply and add what their first input is.
_FLOAT = ("MatMul", "FusedMatMul", "Gemm", "FusedGemm", "Attention", "MultiHeadAttention", "Conv", "FusedConv")

_KERNEL = "_kernel_time"


def verify_precision(file: Path, inputs: Mapping[str, np.ndarray]) -> ExecutedPrecision:
    """Run a batch once in a session with the profiler on, and count the products by precision."""
    with tempfile.TemporaryDirectory() as folder:
        profiled = session(file, Path(folder) / "profile")
        profiled.run(None, dict(inputs))
        events = json.loads(Path(profiled.end_profiling()).read_text())
    kinds: Counter[str] = Counter()
    kernels: Counter[str] = Counter()
    tally = Tally()
    for event in events:
        if event.get("cat") != "Node" or not event["name"].endswith(_KERNEL):
            continue
        operator = event["args"]["op_name"]
        precision = _precision(operator, event["args"])
        if precision is not None:
            kinds[precision] += 1
            kernels[operator] += 1
            tally.add(precision, _multiplications(operator, event["args"]))
    counts = (kinds["int8"], kinds["bf16"], kinds["fp32"])
    named = dict(sorted(kernels.items()))
    return ExecutedPrecision(*counts, "ONNX Runtime profiler", named, tally.int8, tally.total)


def _multiplications(operator: str, facts: dict[str, Any]) -> int | None:
    """Return the multiplications of a product; None for several in one kernel, which its outer shapes do not tell."""
    if not any(word in operator for word in ("MatMul", "Gemm")):
        return None
    left, result = (next(iter(facts[f"{side}_type_shape"][0].values())) for side in ("input", "output"))
    return of_product(left, result)


def _precision(operator: str, facts: dict[str, Any]) -> str | None:
    if operator in _INT8:
        return "int8"
    if operator in _FLOAT:
        first = next(iter(facts["input_type_shape"][0]))
        return "bf16" if first == "bfloat16" else "fp32"
    return None
