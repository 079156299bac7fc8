"""Linear layers of torch in INT8, made from an FP32 layer and a recipe; sizes and latencies of a network of them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.ao.nn import quantized
from torch.ao.nn.quantized import dynamic

from harness.approaches.mapping import codes
from harness.config.schema import QuantizerConfig
from harness.errors import StageError
from harness.models.conv1d import as_linear, is_conv1d
from harness.tuning.ranges import by_scheme


class InputQuantizedLinear(torch.nn.Module):
    """A linear layer of a quantized input and weight whose output is FP32: the exact sum of products of codes.

    Computed as FP32 products of the numbers that the codes stand for, so with the rounding of FP32 sums.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, scale: float, zero_point: int):
        super().__init__()
        self.scale, self.zero_point = scale, zero_point
        self.register_buffer("weight", weight.dequantize())
        self.register_buffer("bias", bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero_point, 0, 255)
        return torch.nn.functional.linear(x, self.weight, self.bias)


def input_quantized_layer(
    weight: torch.Tensor, bias: torch.Tensor | None, entering: Sequence[Any], leaving: Sequence[Any]
) -> InputQuantizedLinear:
    """Return the layer of a quantized weight whose output stays as it is, whatever `leaving` says.

    Parameters
    ----------
    entering, leaving : scale and zero point of the layer's input and output.
    """
    return InputQuantizedLinear(weight, bias, *entering)


def linears(network: torch.nn.Module) -> dict[str, torch.nn.Linear]:
    """Return the layers of `network` that have an INT8 form, by name; transformers' ``Conv1D`` as a linear layer."""
    # The output projection of torch's own MultiheadAttention is never called: its weight is read.
    unfit = torch.nn.modules.linear.NonDynamicallyQuantizableLinear
    found = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear) or is_conv1d(module)
    }
    return {name: as_linear(module) for name, module in found.items() if name and not isinstance(module, unfit)}


def quantized_weight(linear: torch.nn.Linear, config: QuantizerConfig) -> torch.Tensor:
    """Return the codes of a layer's weight as a quantized tensor.

    Raises
    ------
    StageError : ``bad_config`` for what torch's linear kernels do not take, ``nan`` for a weight that is not finite.
    """
    if config.dtype != "int8" or config.observer != "minmax":
        raise StageError("bad_config", f"weight: dtype={config.dtype}, observer={config.observer}: want int8, minmax")
    weight = linear.weight.detach().float()
    if not torch.isfinite(weight).all():
        raise StageError("nan", "a weight is not finite")
    per_channel = config.granularity == "per_channel"
    low, high = (weight.amin(1), weight.amax(1)) if per_channel else (weight.min(), weight.max())
    found = by_scheme(config.scheme)(low.numpy(), high.numpy(), codes("int8", config.reduce_range))
    scale, zero_point = torch.from_numpy(np.asarray(found.scale)), torch.from_numpy(np.asarray(found.zero_point))
    if not per_channel:
        return torch.quantize_per_tensor(weight, float(scale), int(zero_point), torch.qint8)
    # torch clamps to all 8 bits; a range of 7 needs its own clamp, in real numbers.
    if config.reduce_range:
        ends = [(end - zero_point) * scale for end in (found.codes.smallest, found.codes.largest)]
        weight = torch.clamp(weight, ends[0][:, None].float(), ends[1][:, None].float())
    return torch.quantize_per_channel(weight, scale, zero_point, 0, torch.qint8)


def with_layers(network: torch.nn.Module, layers: Mapping[str, torch.nn.Module]) -> torch.nn.Module:
    """Return a copy of `network` in which `layers` stand in the places they name; all other tensors are shared."""
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    replica = copy.deepcopy(network, shared)
    for name, layer in layers.items():
        replica.set_submodule(name, layer)
    return replica.eval()


def size_bytes(network: torch.nn.Module) -> int:
    """Return the bytes of all weights and buffers; of quantized weights the codes with scales and zero points."""
    tensors = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    total = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    for module in network.modules():
        if isinstance(module, (quantized.Linear, dynamic.Linear)):
            weight, bias = module.weight(), module.bias()
            channels = weight.shape[0] if weight.qscheme() == torch.per_channel_affine else 1
            # A scale and a zero point of 8 bytes each.
            total += weight.numel() + 16 * channels + (0 if bias is None else bias.numel() * bias.element_size())
    return total
