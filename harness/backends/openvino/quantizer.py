"""What OpenVINO's CPU runtime and NNCF can do of an approach's config, and NNCF's parameters that do it.

``supports`` is asked in the parent, so NNCF is imported inside functions only.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from harness.backends.common.export_network import unsupported as unsupported_export
from harness.config import instructions

if TYPE_CHECKING:
    from harness.config.cell import Cell
    from harness.config.schema import ApproachConfig, QuantizerConfig

METHODS = ("none", "cast", "dynamic", "static", "weight_only")

#: Channels that share one scale of a dynamically quantized activation: the runtime's own default.
GROUP_SIZE = 32

#: A group is a multiple of what one VNNI instruction takes, and the kernel's blocks divide 32.
_GROUP_SIZES = (32, 64, 128, 256)

OBSERVERS = ("minmax", "histogram")


def unsupported(cell: Cell, isa: Collection[str] | None = None) -> str | None:
    """Return one line on why OpenVINO cannot run the cell on a host with the instruction sets `isa`, or None."""
    reason = (
        unsupported_export(cell, METHODS, tunes=True)
        or _options(cell.approach)
        or instructions.unsupported(
            cell, isa, "cast", instructions.BF16_EMULATED, "the runtime silently computes in FP32 without AVX-512"
        )
        or instructions.unsupported(
            cell, isa, "dynamic", instructions.VNNI, "the runtime silently multiplies in FP32 without VNNI"
        )
    )
    if reason or cell.approach.method in ("none", "cast"):
        return reason
    method = cell.approach.method
    return _weight(cell.approach.weight, method) or {
        "static": _static_activation,
        "dynamic": _dynamic_activation,
        "weight_only": lambda activation: None,
    }[method](cell.approach.activation)


def _options(approach: ApproachConfig) -> str | None:
    known = ("group_size",) if approach.method == "dynamic" else ()
    unknown = [name for name in approach.options if name not in known]
    if unknown:
        return f"approach.options.{unknown[0]}: means nothing to method {approach.method} here"
    if group_size(approach) not in _GROUP_SIZES:
        return f"approach.options.group_size={group_size(approach)}: want one of {', '.join(map(str, _GROUP_SIZES))}"
    return None


def _weight(config: QuantizerConfig, method: str) -> str | None:
    if config.dtype != "int8" or config.scheme != "symmetric":
        return f"approach.weight: {config.scheme} {config.dtype}; this backend makes symmetric int8 weights"
    if config.observer != "minmax":
        return f"approach.weight.observer={config.observer}: weights are known whole, their range is minmax"
    if method != "static" and config.granularity != "per_channel":
        return "approach.weight.granularity=per_tensor: NNCF compresses weights per channel"
    if method != "static" and config.reduce_range:
        return "approach.weight.reduce_range: NNCF compresses weights to all 8 bits"
    return None


def _static_activation(config: QuantizerConfig) -> str | None:
    if config.granularity != "per_tensor":
        return "approach.activation.granularity=per_channel: a product takes one scale for its input"
    if (config.dtype, config.scheme) not in (("uint8", "affine"), ("int8", "symmetric")):
        return f"approach.activation: {config.scheme} {config.dtype}; want affine uint8 or symmetric int8"
    if config.observer == "percentile":
        return "approach.activation.observer=percentile: NNCF cuts the tails of x one by one, not |x|"
    if config.observer not in OBSERVERS:
        return f"approach.activation.observer={config.observer}: NNCF offers {', '.join(OBSERVERS)}"
    if config.reduce_range:
        return "approach.activation.reduce_range: NNCF narrows weights only (approach.weight.reduce_range)"
    return None


def _dynamic_activation(config: QuantizerConfig) -> str | None:
    wanted = {"dtype": "int8", "scheme": "symmetric", "granularity": "per_channel", "observer": "minmax"}
    for field, value in wanted.items():
        if getattr(config, field) != value:
            return (
                f"approach.activation.{field}={getattr(config, field)}: the runtime quantizes each row in groups of "
                f"channels, symmetric int8 by their own range; want {value}"
            )
    return "approach.activation.reduce_range: the runtime uses all 8 bits" if config.reduce_range else None


def group_size(approach: ApproachConfig) -> int:
    """Return how many channels share a scale in dynamic quantization."""
    return approach.options.get("group_size", GROUP_SIZE)


def static_arguments(approach: ApproachConfig) -> dict[str, Any]:
    """Return the keywords of ``nncf.quantize`` that a static approach describes.

    Symmetric activations are signed wherever calibration saw a negative number; NNCF does not let that be forced.
    """
    import nncf
    from nncf.quantization.advanced_parameters import OverflowFix, QuantizationParameters
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    symmetric = approach.activation.scheme == "symmetric"
    ranges = {"minmax": RangeEstimatorParametersSet.MINMAX, "histogram": RangeEstimatorParametersSet.HISTOGRAM}
    advanced = nncf.AdvancedQuantizationParameters(
        # NNCF's remedy for sums of int16 that saturate without VNNI: weights of half the range, so 7 bits.
        overflow_fix=OverflowFix.ENABLE if approach.weight.reduce_range else OverflowFix.DISABLE,
        batchwise_statistics=approach.calibration.batch_size > 1,
        weights_quantization_params=QuantizationParameters(per_channel=approach.weight.granularity == "per_channel"),
        activations_range_estimator_params=ranges[approach.activation.observer],
    )
    return {
        "model_type": nncf.ModelType.TRANSFORMER,
        "preset": nncf.QuantizationPreset.PERFORMANCE if symmetric else nncf.QuantizationPreset.MIXED,
        "target_device": nncf.TargetDevice.CPU,
        "advanced_parameters": advanced,
    }
