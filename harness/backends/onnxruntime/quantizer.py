"""What ONNX Runtime's quantizers can do of an approach's config, and their arguments that do it.

``supports`` is asked in the parent, so onnxruntime is imported inside functions only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.backends.common.export_network import unsupported as unsupported_export

if TYPE_CHECKING:
    from harness.config.cell import Cell
    from harness.config.schema import ApproachConfig, QuantizerConfig

METHODS = ("none", "dynamic", "static")

OBSERVERS = ("minmax", "percentile", "kl")

#: The operators that are quantized.
_PRODUCTS = ("MatMul", "Gemm")


def unsupported(cell: Cell) -> str | None:
    """Return one line on why ONNX Runtime cannot run the cell, or None."""
    approach = cell.approach
    if approach.method == "cast":
        return "approach.method=cast: ONNX Runtime's CPU kernels for products have no bf16 on x86"
    reason = unsupported_export(cell, METHODS, tunes=True)
    if reason:
        return reason
    if approach.options:
        return f"approach.options: {', '.join(approach.options)} mean nothing to this backend"
    if approach.method == "none":
        return None
    return _weight(approach.weight) or _activation(approach.activation, approach.method)


def _weight(config: QuantizerConfig) -> str | None:
    if config.dtype != "int8" or config.scheme != "symmetric":
        return f"approach.weight: {config.scheme} {config.dtype}; this backend makes symmetric int8 weights"
    if config.observer != "minmax":
        return f"approach.weight.observer={config.observer}: weights are known whole, their range is minmax"
    return None


def _activation(config: QuantizerConfig, method: str) -> str | None:
    if config.dtype != "uint8":
        return "approach.activation.dtype=int8: S8S8 products are slower than FP32 on x86; want uint8"
    if config.granularity != "per_tensor":
        return "approach.activation.granularity=per_channel: a product takes one scale for its input"
    if config.reduce_range:
        return "approach.activation.reduce_range: the quantizer narrows weights only (approach.weight.reduce_range)"
    if method == "dynamic":
        if config.scheme != "affine" or config.observer != "minmax":
            return "dynamic: the kernel maps each batch affinely between its own minimum and maximum"
        return None
    if config.observer not in OBSERVERS:
        return f"approach.activation.observer={config.observer}: ONNX Runtime offers {', '.join(OBSERVERS)}"
    return None


def weight_arguments(approach: ApproachConfig) -> dict[str, Any]:
    """Return the keywords of both quantizers that describe the weights."""
    from onnxruntime.quantization import QuantType

    return {
        "per_channel": approach.weight.granularity == "per_channel",
        "reduce_range": approach.weight.reduce_range,
        "weight_type": QuantType.QInt8,
        "op_types_to_quantize": list(_PRODUCTS),
    }


def static_arguments(approach: ApproachConfig) -> dict[str, Any]:
    """Return the keywords of ``quantize_static`` that a static approach describes."""
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType

    activation = approach.activation
    methods = {
        "minmax": CalibrationMethod.MinMax,
        "percentile": CalibrationMethod.Percentile,
        "kl": CalibrationMethod.Entropy,
    }
    options: dict[str, Any] = {
        "ActivationSymmetric": activation.scheme == "symmetric",
        "WeightSymmetric": True,
        # One batch at a time: histograms of batches of unequal length can be added up, but not stacked.
        "CalibStridedMinMax": 1,
        # A product's sums go on in FP32: to narrow them again cost a point of accuracy, and time.
        "OpTypesToExcludeOutputQuantization": list(_PRODUCTS),
    }
    if activation.observer == "percentile":
        # The symmetric histogram is that of |x|; what it clips is still cut to the minimum and maximum seen.
        options |= {"CalibPercentile": activation.percentile, "CalibTensorRangeSymmetric": True}
    return {
        "quant_format": QuantFormat.QDQ,
        "activation_type": QuantType.QUInt8,
        "calibrate_method": methods[activation.observer],
        "extra_options": options,
        **weight_arguments(approach),
    }
