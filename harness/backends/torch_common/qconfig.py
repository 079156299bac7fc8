"""What torch's eager and FX quantization can do of an approach's config, and the observers that do it.

``supports`` is asked in the parent, so torch is imported inside functions only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from harness.approaches.mapping import codes
from harness.backends.common import tuner_support
from harness.errors import nearest
from harness.models.base import modality

if TYPE_CHECKING:
    from harness.config.cell import Cell
    from harness.config.schema import ApproachConfig, QuantizerConfig

ENGINES = ("x86", "fbgemm", "onednn")

#: The option of an approach that says in which precision runs what falls back, and its values.
FALLBACK_PRECISION, FALLBACK_PRECISIONS = "fallback_precision", ("fp32", "bf16")

_PRECISION = {"none": "fp32", "cast": "bf16", "dynamic": "int8", "static": "int8", "qat": "int8"}


def engine(cell: Cell) -> str:
    """Return the cell's quantized engine. ``x86`` is torch's own default: FBGEMM's kernels for linear layers."""
    return cell.backend.engine or ENGINES[0]


def unsupported(
    cell: Cell,
    methods: Iterable[str],
    reads: tuple[str, ...] = ("text",),
    tunes: bool = False,
    options: tuple[str, ...] = (),
) -> str | None:
    """Return one line on why a backend that offers `methods` cannot run the cell, or None.

    Parameters
    ----------
    reads : what models that it runs may read (:func:`harness.models.base.modality`).
    tunes : whether it has candidates for a tuner.
    options : of an approach, that it knows.
    """
    approach = cell.approach
    if approach.method not in methods:
        return f"approach.method={approach.method}: this backend offers {', '.join(methods)}"
    if approach.precision != _PRECISION[approach.method]:
        return f"method {approach.method} makes {_PRECISION[approach.method]}, not {approach.precision}"
    if modality(cell.model.architecture) not in reads:
        found = modality(cell.model.architecture)
        return f"model.architecture={cell.model.architecture}: reads {found}, this backend runs {', '.join(reads)}"
    if cell.model.trust_remote_code:
        return "model.trust_remote_code: an artefact loads with the classes of transformers alone"
    because = tuner_support.unsupported_tuner(cell, tunes) if cell.tuner.name != "none" else None
    if because is not None:
        return because
    if engine(cell) not in ENGINES:
        return f"backend.engine={cell.backend.engine}: want one of {', '.join(ENGINES)}"
    unknown = [*(name for name in approach.options if name not in options), *cell.backend.options]
    if unknown:
        return f"options: {', '.join(unknown)} mean nothing to this backend{nearest(unknown[0], options)}"
    if fallback_precision(approach) not in FALLBACK_PRECISIONS:
        wanted = " or ".join(FALLBACK_PRECISIONS)
        return f"approach.options.{FALLBACK_PRECISION}={fallback_precision(approach)}: want {wanted}"
    if approach.precision != "int8":
        named = next((name for name in ("fallback", "options") if getattr(approach, name)), None)
        return f"approach.{named}: nothing falls back, nothing is quantized" if named else None
    return _weight(approach.weight, approach.method, engine(cell)) or _activation(approach, engine(cell))


def fallback_precision(approach: ApproachConfig) -> str:
    """Return the precision in which runs what falls back: fp32, or bf16 where a backend offers the option."""
    return approach.options.get(FALLBACK_PRECISION, FALLBACK_PRECISIONS[0])


def _weight(config: QuantizerConfig, method: str, engine: str) -> str | None:
    if config.dtype != "int8":
        return f"approach.weight.dtype={config.dtype}: torch's linear kernels take int8 weights"
    if config.granularity == "per_channel" and config.observer in ("histogram", "kl"):
        return f"approach.weight.observer={config.observer}: observes whole tensors, not channels"
    if method == "qat" and config.observer not in _TRAINABLE:
        return f"approach.weight.observer={config.observer}: QAT observes at each step; want {' or '.join(_TRAINABLE)}"
    if engine == "onednn" and config.scheme == "affine":
        return "approach.weight.scheme=affine: engine onednn takes weights whose zero point is 0"
    return None


def _activation(approach: ApproachConfig, engine: str) -> str | None:
    config, method = approach.activation, approach.method
    if config.dtype != "uint8":
        return f"approach.activation.dtype={config.dtype}: torch's x86 linear kernels take uint8 activations"
    if config.granularity != "per_tensor":
        return "approach.activation.granularity=per_channel: a linear kernel takes one scale for its input"
    if method == "qat" and config.observer not in _TRAINABLE:
        wanted = " or ".join(_TRAINABLE)
        return f"approach.activation.observer={config.observer}: QAT observes at each step; want {wanted}"
    if method != "dynamic":
        return None
    if config.scheme != "affine" or config.observer != "minmax":
        return "dynamic: the kernel maps each batch affinely between its own minimum and maximum"
    if config.reduce_range and engine == "onednn":
        return "approach.activation.reduce_range: engine onednn has no dynamic kernel of 7 bits"
    return None


_TRAINABLE = ("minmax", "moving_average")


def observer(config: QuantizerConfig) -> Any:
    """Return a constructor of the observer that a quantizer's config describes."""
    chosen, keywords = _observer(config)
    return chosen.with_args(**keywords)


def static_qconfig(approach: ApproachConfig) -> Any:
    """Return torch's QConfig of a static approach."""
    from torch.ao.quantization import QConfig

    return QConfig(activation=observer(approach.activation), weight=observer(approach.weight))


def dynamic_qconfig(approach: ApproachConfig) -> Any:
    """Return torch's QConfig of a dynamic approach; the kernel finds the range of the activations."""
    from torch.ao.quantization import QConfig, default_dynamic_quant_observer

    return QConfig(activation=default_dynamic_quant_observer, weight=observer(approach.weight))


def qat_qconfig(approach: ApproachConfig) -> Any:
    """Return torch's QConfig with a fake quantizer in the place of each observer."""
    from torch.ao.quantization import FakeQuantize, QConfig

    activation, activation_keywords = _observer(approach.activation)
    weight, weight_keywords = _observer(dataclasses.replace(approach.weight, observer="moving_average"))
    if approach.weight.observer == "minmax":
        # The range of a weight is that of the weight as it is now, not of all it has been: an average without memory.
        weight_keywords["averaging_constant"] = 1.0
    return QConfig(
        activation=FakeQuantize.with_args(observer=activation, **activation_keywords),
        weight=FakeQuantize.with_args(observer=weight, **weight_keywords),
    )


def mapping(layers: Iterable[str], qconfig: Any) -> Any:
    """Return FX's mapping that quantizes `layers` and nothing else; a global one would observe sizes and crash."""
    from torch.ao.quantization import QConfigMapping

    chosen = QConfigMapping()
    for layer in layers:
        chosen.set_module_name(layer, qconfig)
    return chosen


def _observer(config: QuantizerConfig) -> tuple[Any, dict[str, Any]]:
    """Return the class of an observer and its keywords."""
    import torch
    from torch.ao.quantization import observer as framework

    from harness.backends.torch_common.observers import ClippingObserver, PerChannelPercentileObserver

    per_channel = config.granularity == "per_channel"
    kind = "symmetric" if config.scheme == "symmetric" else "affine"
    keywords: dict[str, Any] = {
        "dtype": {"int8": torch.qint8, "uint8": torch.quint8}[config.dtype],
        "qscheme": getattr(torch, f"per_{'channel' if per_channel else 'tensor'}_{kind}"),
    }
    if config.reduce_range:
        # Not torch's own reduce_range, which leaves 128 as the zero point of symmetric codes from 0 to 127.
        reduced = codes(config.dtype, reduce_range=True)
        keywords |= {"quant_min": reduced.smallest, "quant_max": reduced.largest}
    if config.observer == "percentile":
        keywords["percentile"] = config.percentile
    return {
        ("minmax", False): framework.MinMaxObserver,
        ("minmax", True): framework.PerChannelMinMaxObserver,
        ("moving_average", False): framework.MovingAverageMinMaxObserver,
        ("moving_average", True): framework.MovingAveragePerChannelMinMaxObserver,
        ("histogram", False): framework.HistogramObserver,
        ("percentile", False): ClippingObserver,
        ("percentile", True): PerChannelPercentileObserver,
        ("kl", False): ClippingObserver,
    }[config.observer, per_channel], keywords


def provenance(cell: Cell, layers: list[str]) -> dict[str, Any]:
    """Return what every quantized artefact tells of its making."""
    return {"engine": engine(cell), "quantized_layers": len(layers), "fallback": list(cell.approach.fallback)}
