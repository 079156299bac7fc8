"""The artefact of eager mode: ``model.safetensors`` with every tensor, and ``model.json`` that says how to rebuild.

No pickles. A quantized weight is stored as its INT8 codes with scales and zero points and is packed for the engine's
kernels when it is loaded. The network is built without storage and each tensor put in its place, which is faster than
drawing weights that are then overwritten.
"""

from __future__ import annotations

import copy
import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.ao.nn import quantized
from torch.ao.nn.quantized import dynamic

from harness.backends.torch_common.network import light_imports
from harness.errors import StageError
from harness.models.conv1d import as_linear, is_conv1d

TENSORS_FILE = "model.safetensors"
STRUCTURE_FILE = "model.json"

#: An artefact names a class; none from elsewhere is imported.
_CLASSES = ("transformers.models.", "harness.models.")

#: And an implementation of attention; any other name is that of a kernel on a hub, which is code.
_ATTENTION = ("sdpa", "eager", None)


class DynamicLinear(dynamic.Linear):
    """torch's dynamic linear layer, whose 7-bit activations are a choice; torch itself always takes 7 bits."""

    def __init__(self, *arguments: Any, reduce_range: bool, **keywords: Any):
        super().__init__(*arguments, **keywords)
        self.reduce_range = reduce_range

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        packed = self._packed_params._packed_params
        return torch.ops.quantized.linear_dynamic(x, packed, reduce_range=self.reduce_range)


class Bfloat16Linear(torch.nn.Linear):
    """A linear layer that computes in bfloat16 between an FP32 input and an FP32 output."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.to(torch.bfloat16)).to(x.dtype)


def bfloat16_layer(linear: torch.nn.Linear) -> Bfloat16Linear:
    """Return a layer with the weights of `linear` rounded to bfloat16."""
    layer = copy.deepcopy(linear).to(torch.bfloat16).requires_grad_(False)
    layer.__class__ = Bfloat16Linear
    return layer


def dynamic_layer(weight: torch.Tensor, bias: torch.Tensor | None, reduce_range: bool) -> DynamicLinear:
    """Return the layer of a quantized weight that finds the range of each input itself."""
    outputs, inputs = weight.shape
    layer = DynamicLinear(inputs, outputs, bias_=bias is not None, reduce_range=reduce_range)
    layer.set_weight_bias(weight, bias)
    return layer.eval()


def static_layer(
    weight: torch.Tensor, bias: torch.Tensor | None, entering: Sequence[Any], leaving: Sequence[Any]
) -> torch.ao.quantization.QuantWrapper:
    """Return the layer of a quantized weight between quantizing and dequantizing, as eager mode converts to.

    Parameters
    ----------
    entering, leaving : scale and zero point of the layer's input and output.
    """
    outputs, inputs = weight.shape
    layer = quantized.Linear(inputs, outputs, bias_=bias is not None)
    layer.set_weight_bias(weight, bias)
    layer.scale, layer.zero_point = leaving
    wrapper = torch.ao.quantization.QuantWrapper(torch.nn.Identity())
    wrapper.quant = quantized.Quantize(*entering, torch.quint8)
    wrapper.dequant = quantized.DeQuantize()
    wrapper.module = layer
    return wrapper.eval()


def save(network: torch.nn.Module, out: Path, *, reduce_range: bool) -> None:
    """Write `network`, a transformers model with or without linear layers of lower precision, into the folder `out`.

    Parameters
    ----------
    reduce_range : whether its dynamic layers map activations to 7 bits.
    """
    tensors: dict[str, torch.Tensor] = {}
    layers: dict[str, dict[str, Any]] = {}
    for name, module in network.named_modules():
        if isinstance(module, dynamic.Linear):
            layers[name] = {"kind": "dynamic", "reduce_range": reduce_range}
            tensors |= _packed(name, module)
        elif isinstance(module, torch.ao.quantization.QuantWrapper):
            linear = module.module
            layers[name] = {
                "kind": "static",
                "input": [float(module.quant.scale), int(module.quant.zero_point)],
                "output": [float(linear.scale), int(linear.zero_point)],
            }
            tensors |= _packed(name, linear)
        elif isinstance(module, Bfloat16Linear):
            layers[name] = {"kind": "bfloat16"}
    inside = tuple(f"{name}." for name, layer in layers.items() if layer["kind"] != "bfloat16")
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        if not name.startswith(inside):
            tensors[name] = tensor.detach().clone(memory_format=torch.contiguous_format)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise StageError("nan", f"artefact: {name} is not finite")
    save_file(tensors, out / TENSORS_FILE)
    kind = type(network)
    structure = {
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "attention": network.config._attn_implementation,
        "config": json.loads(network.config.to_json_string(use_diff=True)),
        "layers": layers,
        "tied": _tied(network),
    }
    layers |= {name: {"kind": "linear"} for name in _turned(network, _empty(structure)) if name not in layers}
    (out / STRUCTURE_FILE).write_text(json.dumps(structure, indent=1, sort_keys=True) + "\n")


def load(artefact: Path) -> torch.nn.Module:
    """Return the network that :func:`save` wrote, in evaluation mode, packed for the engine that is set.

    Raises
    ------
    StageError : ``missing_file`` or ``damaged``.
    """
    for name in (TENSORS_FILE, STRUCTURE_FILE):
        if not (artefact / name).is_file():
            raise StageError("missing_file", f"artefact: no {name} in {artefact}")
    try:
        tensors = load_file(artefact / TENSORS_FILE)
        structure = json.loads((artefact / STRUCTURE_FILE).read_text())
    except (SafetensorError, ValueError) as error:
        raise StageError("damaged", f"artefact {artefact}: {error}") from error
    network = _empty(structure)
    for name, layer in structure["layers"].items():
        if layer["kind"] in ("linear", "bfloat16"):
            plain = as_linear(network.get_submodule(name))
            plain.__class__ = {"linear": torch.nn.Linear, "bfloat16": Bfloat16Linear}[layer["kind"]]
            network.set_submodule(name, plain)
        else:
            network.set_submodule(name, _layer(name, layer, tensors))
    for name, tensor in tensors.items():
        _put(network, name, tensor)
    for name, owner in structure["tied"].items():
        _put(network, name, network.get_parameter(owner))
    empty = [name for name, tensor in _own_tensors(network) if tensor.is_meta]
    if empty:
        raise StageError("damaged", f"artefact {artefact}: no tensor {empty[0]}")
    return network.eval()


def _empty(structure: dict[str, Any]) -> torch.nn.Module:
    module_name, _, class_name = structure["class"].rpartition(".")
    if not module_name.startswith(_CLASSES):
        raise StageError("damaged", f"artefact: class {structure['class']} is not one of transformers or of ours")
    if structure["attention"] not in _ATTENTION:
        raise StageError("damaged", f"artefact: attention {structure['attention']!r}; want sdpa or eager")
    with light_imports():
        from transformers.modeling_utils import no_init_weights

        kind = getattr(importlib.import_module(module_name), class_name)
    config = kind.config_class.from_dict(structure["config"])
    with no_init_weights(), torch.device("meta"):
        return kind._from_config(config, attn_implementation=structure["attention"])


def _turned(network: torch.nn.Module, empty: torch.nn.Module) -> list[str]:
    """Return the layers of `network` that are linear where its class has a ``Conv1D``, whose weight lies the other way.

    Parameters
    ----------
    empty : a network as its class makes it.
    """
    own = dict(network.named_modules())
    conv1d = (name for name, module in empty.named_modules() if is_conv1d(module))
    return [name for name in conv1d if isinstance(own.get(name), torch.nn.Linear)]


def _tied(network: torch.nn.Module) -> dict[str, str]:
    """Return the names of parameters that are the same as one stored by another name, which they map to."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    every = network.named_parameters(remove_duplicate=False)
    return {name: names[id(parameter)] for name, parameter in every if name != names[id(parameter)]}


def _packed(name: str, linear: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return a quantized layer's codes, scales, zero points and bias."""
    weight, bias = linear.weight(), linear.bias()
    stored = {f"{name}.codes": weight.int_repr()}
    if weight.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        stored[f"{name}.scale"] = torch.tensor(weight.q_scale(), dtype=torch.float64)
        stored[f"{name}.zero_point"] = torch.tensor(weight.q_zero_point())
    else:
        stored[f"{name}.scale"] = weight.q_per_channel_scales().double().clone()
        stored[f"{name}.zero_point"] = weight.q_per_channel_zero_points().long().clone()
    if bias is not None:
        stored[f"{name}.bias"] = bias.detach().clone()
    return stored


def _layer(name: str, layer: dict[str, Any], tensors: dict[str, torch.Tensor]) -> torch.nn.Module:
    """Return a quantized layer and take its tensors out of `tensors`."""
    codes, scale, zero_point = (tensors.pop(f"{name}.{part}") for part in ("codes", "scale", "zero_point"))
    bias = tensors.pop(f"{name}.bias", None)
    if scale.ndim:
        weight = torch._make_per_channel_quantized_tensor(codes, scale, zero_point, 0)
    else:
        weight = torch._make_per_tensor_quantized_tensor(codes, scale.item(), zero_point.item())
    if layer["kind"] == "dynamic":
        return dynamic_layer(weight, bias, layer["reduce_range"])
    return static_layer(weight, bias, layer["input"], layer["output"])


def _put(network: torch.nn.Module, name: str, tensor: torch.Tensor) -> None:
    """Put a tensor in its place; :meth:`load_state_dict` would pass over buffers that are not part of it."""
    owner_name, _, leaf = name.rpartition(".")
    owner = network.get_submodule(owner_name)
    if leaf in owner._parameters:
        shared = isinstance(tensor, torch.nn.Parameter)
        owner._parameters[leaf] = tensor if shared else torch.nn.Parameter(tensor, requires_grad=False)
    else:
        owner._buffers[leaf] = tensor


def _own_tensors(network: torch.nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [*network.named_parameters(), *network.named_buffers()]
