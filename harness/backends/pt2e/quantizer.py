"""An approach's config as torchao's X86InductorQuantizer takes it."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torchao.quantization.pt2e import FakeQuantize, PlaceholderObserver
from torchao.quantization.pt2e import observer as framework
from torchao.quantization.pt2e.quantizer import QuantizationConfig, QuantizationSpec
from torchao.quantization.pt2e.quantizer.x86_inductor_quantizer import X86InductorQuantizer

from harness.approaches.mapping import Codes, codes
from harness.backends.torch_common.observers import ClippingObserver

if TYPE_CHECKING:
    from harness.config.schema import ApproachConfig, QuantizerConfig

#: torchao asks whether an observer is of its own class; torch's, of which that is a copy, answers to the same calls.
framework.ObserverBase.register(ClippingObserver)

_ACTIVATION = {
    "minmax": framework.MinMaxObserver,
    "moving_average": framework.MovingAverageMinMaxObserver,
    "histogram": framework.HistogramObserver,
    "percentile": ClippingObserver,
    "kl": ClippingObserver,
}


def quantizer(approach: ApproachConfig, kept: Iterable[str]) -> X86InductorQuantizer:
    """Return the quantizer of an approach; modules named in `kept` stay in FP32."""
    # Linear layers only: RoBERTa multiplies integers, the numbers of its positions, which have no range to observe.
    chosen = X86InductorQuantizer().set_global(_config(approach)).set_function_type_qconfig(torch.mul, None)
    for name in kept:
        chosen.set_module_name_qconfig(name, None)
    return chosen


def _config(approach: ApproachConfig) -> QuantizationConfig:
    activation = _activation(approach.activation, approach.method)
    weight = _weight(approach.weight, approach.method)
    return QuantizationConfig(activation, activation, weight, None, approach.method == "qat")


def _activation(config: QuantizerConfig, method: str) -> QuantizationSpec:
    kind = torch.per_tensor_symmetric if config.scheme == "symmetric" else torch.per_tensor_affine
    keywords: dict[str, Any] = {}
    if method == "dynamic":
        observer = PlaceholderObserver  # the graph finds the range itself
    else:
        observer = _ACTIVATION[config.observer]
        if config.observer == "percentile":
            keywords["percentile"] = config.percentile
    return _spec(config, kind, observer, keywords, method)


def _weight(config: QuantizerConfig, method: str) -> QuantizationSpec:
    if method != "qat":
        return _spec(config, torch.per_channel_symmetric, framework.PerChannelMinMaxObserver, {}, "static")
    # The range of a weight is that of the weight as it is now, not of all it has been: an average without memory.
    keywords = {"averaging_constant": 1.0} if config.observer == "minmax" else {}
    return _spec(config, torch.per_channel_symmetric, framework.MovingAveragePerChannelMinMaxObserver, keywords, method)


def _spec(
    config: QuantizerConfig, kind: torch.qscheme, observer: Any, keywords: dict[str, Any], method: str
) -> QuantizationSpec:
    maker, keywords = (FakeQuantize, {"observer": observer, **keywords}) if method == "qat" else (observer, keywords)
    named: Codes | None = codes(config.dtype, config.reduce_range)
    if kind == torch.per_tensor_symmetric and not config.reduce_range:
        named = None  # torchao's own, the same; of codes that are named it takes 127 for the middle, not 128
    return QuantizationSpec(
        dtype={"int8": torch.int8, "uint8": torch.uint8}[config.dtype],
        observer_or_fake_quant_ctr=framework.PartialWrapper(functools.partial(maker, **keywords)),
        quant_min=named.smallest if named else None,
        quant_max=named.largest if named else None,
        qscheme=kind,
        ch_axis=0 if kind == torch.per_channel_symmetric else None,
        is_dynamic=method == "dynamic",
    )
