"""What the PyTorch backends share: the quantizers of a config, inputs, outputs, and the count of executed operations."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.backends.base import ExecutedPrecision
from harness.errors import StageError

if TYPE_CHECKING:
    import torch

    from harness.plan.cell import Cell
    from harness.plan.config import QuantizerConfig

ENGINE = "x86"

#: Operations that multiply and add, by the names PyTorch's profiler gives them. Of nested ones the outermost counts.
_INT8 = ("quantized::linear", "quantized::linear_relu", "quantized::linear_dynamic", "onednn::qlinear_pointwise")
_FLOAT = (
    *("aten::addmm", "aten::mm", "aten::bmm", "aten::mkldnn_linear"),
    "aten::_scaled_dot_product_flash_attention_for_cpu",
)

#: What torch's observers can do for each kind of tensor.
ACTIVATION_OBSERVERS = ("minmax", "moving_average", "histogram")
WEIGHT_OBSERVERS = ("minmax",)


def unsupported_recipe(cell: Cell) -> str | None:
    """Return why PyTorch's x86 kernels cannot run the approach's quantizers, or None."""
    approach = cell.approach
    if approach.precision != "int8":
        return None
    weight, activation = approach.weight, approach.activation
    if weight.dtype != "int8" or weight.scheme != "symmetric":
        return "x86 kernels take symmetric int8 weights only"
    if weight.observer not in WEIGHT_OBSERVERS:
        return f"weights are observed by minmax here, not {weight.observer}"
    if activation.dtype != "uint8":
        return "x86 kernels take uint8 activations only"
    if activation.granularity != "per_tensor":
        return "x86 kernels take activations with one scale a tensor only"
    if approach.method != "dynamic" and activation.observer not in ACTIVATION_OBSERVERS:
        return f"PyTorch has no {activation.observer} observer"
    if approach.method == "dynamic" and (activation.scheme != "affine" or not _default_observer(activation)):
        return "dynamic activations are affine, by the range of each batch; their quantizer cannot be set"
    if weight.reduce_range:
        return "reduce_range is for activations: 8-bit weights with 7-bit activations do not saturate"
    return None


def _default_observer(activation: QuantizerConfig) -> bool:
    return activation.observer == "minmax" and not activation.reduce_range


def set_engine(cell: Cell) -> None:
    """Choose the library of INT8 kernels."""
    import torch

    torch.backends.quantized.engine = cell.backend.engine or ENGINE
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))


def weight_observer(config: QuantizerConfig) -> Any:
    """Return the observer (a class with its arguments) of a weight quantizer."""
    import torch
    from torch.ao.quantization import observer

    if config.granularity == "per_channel":
        arguments = {"dtype": torch.qint8, "qscheme": torch.per_channel_symmetric, "ch_axis": 0}
        return observer.PerChannelMinMaxObserver.with_args(**arguments)
    return observer.MinMaxObserver.with_args(dtype=torch.qint8, qscheme=torch.per_tensor_symmetric)


def activation_observer(config: QuantizerConfig) -> Any:
    """Return the observer (a class with its arguments) of an activation quantizer."""
    import torch
    from torch.ao.quantization import observer

    kinds = {
        "minmax": observer.MinMaxObserver,
        "moving_average": observer.MovingAverageMinMaxObserver,
        "histogram": observer.HistogramObserver,
    }
    scheme = torch.per_tensor_affine if config.scheme == "affine" else torch.per_tensor_symmetric
    return kinds[config.observer].with_args(dtype=torch.quint8, qscheme=scheme, reduce_range=config.reduce_range)


def tensors(batch: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Return the batch as tensors, with the position of each token."""
    import torch

    arrays = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in batch.items()}
    rows, length = arrays["input_ids"].shape
    arrays["position_ids"] = torch.arange(length).expand(rows, length).contiguous()
    return arrays


def count_executed(forward: Callable[[Any], Any], inputs: Any) -> ExecutedPrecision:
    """Run `forward` once under PyTorch's profiler and count the operations of :data:`_INT8` and :data:`_FLOAT`.

    A float operation is bf16 when its first tensor is.
    """
    from torch.profiler import ProfilerActivity, profile

    forward(inputs)
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiled:
        forward(inputs)
    counts: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    floats = _is_bf16(profiled)
    for event in sorted(profiled.events(), key=lambda event: event.time_range.start):
        parents = _ancestors(event)
        if event.name in _INT8:
            kinds["int8"] += 1
        elif event.name in _FLOAT and not any(name in (*_INT8, *_FLOAT) for name in parents):
            kinds["bf16" if next(floats[event.name]) else "fp32"] += 1
        else:
            continue
        counts[event.name] += 1
    return ExecutedPrecision(kinds["int8"], kinds["bf16"], kinds["fp32"], "torch.profiler", dict(sorted(counts.items())))


def _ancestors(event: Any) -> list[str]:
    names = []
    while event.cpu_parent is not None:
        event = event.cpu_parent
        names.append(event.name)
    return names


def _is_bf16(profiled: Any) -> dict[str, Iterator[bool]]:
    """Return, for each name, whether its outermost events, in order of time, took bf16; only raw events hold types."""
    raw = sorted(profiled.profiler.kineto_results.events(), key=lambda event: event.start_ns())
    found: dict[str, list[bool]] = {name: [] for name in _FLOAT}
    end_ns = -1
    for event in raw:
        if event.name() in (*_INT8, *_FLOAT) and event.start_ns() >= end_ns:
            end_ns = event.start_ns() + event.duration_ns()
            if event.name() in found:
                found[event.name()].append("c10::BFloat16" in event.dtypes())
    return {name: iter(values) for name, values in found.items()}


def require_finite(network: torch.nn.Module) -> None:
    """Raise ``nan`` when a weight is not finite: every figure after it would be rubbish."""
    import torch

    for name, value in network.named_parameters():
        if not torch.isfinite(value).all():
            raise StageError("nan", f"weight {name} of the checkpoint is not finite")


def load_script(path: Path) -> Any:
    """Load a TorchScript file: no Python code of it is run, and transformers need not be imported."""
    import torch

    return torch.jit.load(str(path), map_location="cpu").eval()
