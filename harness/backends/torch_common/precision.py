"""Counts which operations torch executed in INT8, BF16 and FP32, from its own profiler.

Counted are the operations that do the arithmetic of the network, each where it reaches a kernel, so that ``linear``,
which calls ``addmm``, is counted once: products of matrices (linear layers), batched products (attention), the fused
attention kernel, convolutions. The others (layer norm, GELU, softmax, look-ups, and quantize / dequantize themselves)
take no part in the count.

The precision is that of the operation's own inputs as the profiler saw them: the codes that ``quantized::linear`` was
given, the element type of the first tensor of ``addmm``. A dynamic linear layer takes and gives FP32 and multiplies in
INT8 inside one kernel; its name says so.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from harness.backends.base import ExecutedPrecision
from harness.backends.torch_common.isa import instruction_sets
from harness.backends.torch_common.work import multiplications

#: Kernels that multiply INT8 codes, whatever their inputs and outputs are.
INT8_OPS = (
    "quantized::linear",
    "quantized::linear_relu",
    "quantized::linear_dynamic",
    "quantized::linear_relu_dynamic",
    "quantized::matmul",
    "quantized::conv1d",
    "quantized::conv2d",
    "onednn::qlinear_pointwise",
)

#: Kernels whose precision is that of their inputs.
FLOAT_OPS = (
    "aten::addmm",
    "aten::_addmm_activation",
    "aten::mm",
    "aten::bmm",
    "aten::baddbmm",
    "aten::addbmm",
    "aten::mkldnn_linear",
    "aten::mkldnn_convolution",
    "aten::thnn_conv2d",
    "aten::_scaled_dot_product_flash_attention_for_cpu",
    "mkldnn::_linear_pointwise",
    "mkl::_mkl_linear",
)

#: The profiler's names of element types, those of C++.
_FP32 = ("float", "double")
_BF16 = "c10::BFloat16"


def executed_precision(forward: Callable[[], Any]) -> ExecutedPrecision:
    """Run `forward` once under ``torch.profiler`` and count; `kernels` has each name with its element type.

    And, uncounted, what :func:`harness.backends.torch_common.isa.instruction_sets` tells of the libraries below.
    """
    forward()  # TorchScript compiles itself in its first runs
    forward()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as profile:
        forward()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    counted = count(event for event in events if event.get("cat") == "cpu_op")
    int8, total = multiplications(forward, counted)
    # The profiler names torch's operations; which kernels of which instruction set did their work, their libraries do.
    below = instruction_sets(forward, counted.int8_ops)
    return dataclasses.replace(
        counted, kernels={**counted.kernels, **below}, int8_multiplications=int8, multiplications=total
    )


def count(events: Iterable[dict[str, Any]]) -> ExecutedPrecision:
    """Count the profiler's events, each with a ``name`` and ``args`` that hold ``Input type``."""
    kernels: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    for event in events:
        name = event["name"]
        if name in INT8_OPS:
            totals["int8"] += 1
            kernels[f"{name} (int8)"] += 1
        elif name in FLOAT_OPS:
            types = [kind for kind in event["args"].get("Input type", ()) if kind in (*_FP32, _BF16)]
            precision = "bf16" if types and types[0] == _BF16 else "fp32"
            totals[precision] += 1
            kernels[f"{name} ({precision})"] += 1
    return ExecutedPrecision(totals["int8"], totals["bf16"], totals["fp32"], "torch.profiler", dict(kernels))
