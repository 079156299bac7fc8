"""The multiplications of a forward pass of torch, INT8 kernels among them, by torch's own counter of operations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils import flop_counter

from harness.backends.base import ExecutedPrecision

Shape = Sequence[int]


def multiplications(forward: Callable[[], Any], seen: ExecutedPrecision) -> tuple[int | None, int | None]:
    """Run `forward` once and return its INT8 multiplications and all of them.

    None for both unless the products counted are as many as the profiler has `seen`: then one was missed.
    """
    int8, total, calls = _counted(forward)
    seen_calls = {True: seen.int8_ops, False: seen.bf16_ops + seen.fp32_ops}
    return (int8, total) if all(calls[kind] == seen_calls[kind] for kind in seen_calls) else (None, None)


def int8_share(forward: Callable[[], Any]) -> float | None:
    """Run `forward` once and return the share of INT8 among its multiplications; None where it makes none."""
    int8, total, _ = _counted(forward)
    return int8 / total if total else None


def _counted(forward: Callable[[], Any]) -> tuple[int, int, Counter[bool]]:
    """Return the INT8 multiplications of a pass, all of them, and how many products of INT8 (True) and of others."""
    calls: Counter[bool] = Counter()
    own = {operator: flop_counter.shape_wrapper(formula) for operator, formula in {**_int8(), **_more()}.items()}
    int8 = {operator: _counting(own[operator], calls, True) for operator in _int8()}
    others = {**flop_counter.flop_registry, **{operator: own[operator] for operator in _more()}}
    others = {operator: _counting(formula, calls, False) for operator, formula in others.items()}
    with flop_counter.FlopCounterMode(display=False, custom_mapping={**others, **int8}) as counter:
        forward()
    found = counter.get_flop_counts().get("Global", {})
    # torch counts a multiplication and its addition as two.
    return sum(found.get(operator, 0) for operator in int8) // 2, sum(found.values()) // 2, calls


def _counting(formula: Callable[..., int], calls: Counter[bool], is_int8: bool) -> Callable[..., int]:
    """Return a formula of tensors, as torch's registry holds them, that counts its calls too."""

    def counted(*arguments: Any, **keywords: Any) -> int:
        calls[is_int8] += 1
        return formula(*arguments, **keywords)

    # What it is given are tensors, not their shapes.
    vars(counted)["_get_raw"] = True
    return counted


def _linear(left: Shape, *rest: Any, out_shape: Shape, **options: Any) -> int:
    """Return the operations of a layer of packed weights, whose shape only the result shows."""
    return 2 * math.prod(left) * out_shape[-1]


def _matmul(left: Shape, right: Shape, *rest: Any, out_shape: Shape, **options: Any) -> int:
    return 2 * math.prod(out_shape) * left[-1]


def _int8() -> dict[Any, Callable[..., int]]:
    """Return the INT8 kernels of ``precision.INT8_OPS`` whose shapes are read here."""
    quantized = torch.ops.quantized
    linears = (
        quantized.linear,
        quantized.linear_relu,
        quantized.linear_dynamic,
        quantized.linear_relu_dynamic,
    )
    return {**dict.fromkeys(linears, _linear), quantized.matmul: _matmul}


def _more() -> dict[Any, Callable[..., int]]:
    """Return the floating-point products that torch's counter leaves out."""
    aten = torch.ops.aten
    return {
        aten._addmm_activation: lambda bias, left, right, *rest, out_shape, **options: _matmul(
            left, right, out_shape=out_shape
        ),
        aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    }


def _attention(query: Shape, key: Shape, value: Shape, *rest: Any, out_shape: Any, **options: Any) -> int:
    """Return the operations of two products: of each query with each key, and of these scores with the values."""
    return 2 * math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])
