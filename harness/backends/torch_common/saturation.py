"""What products of 8-bit codes give where their sums saturate, emulated on the graph that an artefact was made from.

Without VNNI a kernel multiplies unsigned codes by signed ones with VPMADDUBSW, which adds two neighbouring products and
saturates their sum in 16 bits: 255 * 127 * 2 does not fit. (Intel 64 and IA-32 Architectures Software Developer's
Manual, VPMADDUBSW; all further sums are of 32 bits.) With codes of 7 bits on one side nothing saturates. A graph of
fake-quantized tensors knows nothing of this: it multiplies, in FP32, the numbers that the codes stand for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_LARGEST = 2**15 - 1

#: Pairs of products that are held at once: 64 MB of FP32.
_AT_ONCE = 2**24


@dataclass(frozen=True)
class Mapped:
    """How the numbers of a dequantized tensor map back to codes: code = number / scale + zero_point.

    `scale` and `zero_point` hold one value, or one for each output channel of a weight.
    """

    scale: torch.Tensor
    zero_point: torch.Tensor


@dataclass
class Saturation:
    """What the emulation has met: products of quantized matrices, those with a saturated sum, and shares of pairs."""

    products: int = 0
    saturating: int = 0
    pairs: int = 0
    saturated_pairs: int = 0

    @property
    def share(self) -> float:
        """The share of the sums of two products that saturated."""
        return self.saturated_pairs / self.pairs if self.pairs else 0.0


def saturating(run: Callable[[], Any]) -> tuple[Any, Saturation]:
    """Return what `run` gives when each product of two dequantized matrices has sums that saturate, and how many did.

    `run` computes with torch in this process, without gradients; its quantized tensors are torch's own, or those of
    exported graphs (``quantized_decomposed``).
    """
    mode = _SaturatingSums()
    with torch.no_grad(), mode:
        result = run()
    return result, mode.met


def product(left: torch.Tensor, right: torch.Tensor) -> tuple[torch.Tensor, int, int]:
    """Return the product of codes with saturating sums of pairs, how many pairs there were and how many saturated.

    Parameters
    ----------
    left : unsigned codes as FP32 numbers, shape (rows, inner).
    right : signed codes as FP32 numbers, shape (inner, columns).
    """
    if left.shape[1] % 2:
        left, right = torch.nn.functional.pad(left, (0, 1)), torch.nn.functional.pad(right, (0, 0, 0, 1))
    out = torch.empty(left.shape[0], right.shape[1])
    even, odd = right[0::2], right[1::2]
    at_once = max(1, _AT_ONCE // even.numel())
    saturated = 0
    for start in range(0, len(left), at_once):
        rows = left[start : start + at_once]
        # Exact in FP32: every sum of two products of codes is below 2**24.
        sums = rows[:, 0::2, None] * even + rows[:, 1::2, None] * odd
        saturated += int(((sums > _LARGEST) | (sums < -_LARGEST - 1)).sum())
        # Sums of many pairs are not, so they are added in 64 bits, as integers are in 32.
        out[start : start + at_once] = sums.clamp(-_LARGEST - 1, _LARGEST).sum(1, dtype=torch.float64).float()
    return out, len(left) * even.numel(), saturated


class _SaturatingSums(TorchDispatchMode):
    """Follows dequantized tensors, also through views, by their storage, and computes their products anew.

    Batched products, which are those of attention, stay exact: scripts of IPEX agree with their network so, and would
    not if these saturated too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.met = Saturation()
        self._mapped: dict[int, Mapped] = {}
        self._kept: list[torch.Tensor] = []  # a storage that is freed would give its number to another tensor

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        name = func.name()
        if (mapped := _mapping(name, args)) is not None:
            self._mapped[found.untyped_storage()._cdata] = mapped
            self._kept.append(found)
        elif name == "aten::addmm" and len(args) == 3 and not kwargs:
            exact = self._product(args[1], args[2])
            return found if exact is None else exact + args[0]
        elif name == "aten::mm":
            exact = self._product(*args)
            return found if exact is None else exact
        return found

    def _product(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor | None:
        """Return the product of two dequantized matrices with saturating sums; None where one of them is not."""
        of_left, of_right = (self._mapped.get(one.untyped_storage()._cdata) for one in (left, right))
        if of_left is None or of_right is None:
            return None
        if of_left.scale.numel() != 1 or of_right.scale.numel() not in (1, right.shape[1]):
            return None
        (a, a_zero), (b, b_zero) = _codes(left, of_left), _codes(right, of_right)
        # The kernel takes unsigned codes on the left and signed ones on the right, and moves the others there.
        if a.min() < 0:
            a, a_zero = a + 128, a_zero + 128
        if b.max() > 127:
            b, b_zero = b - 128, b_zero - 128
        sums, pairs, saturated = product(a, b)
        self.met.products += 1
        self.met.saturating += saturated > 0
        self.met.pairs += pairs
        self.met.saturated_pairs += saturated
        # Zero points are taken off afterwards, from sums of codes that do not saturate.
        sums = sums - a_zero * b.sum(0) - a.sum(1, keepdim=True) * b_zero + a.shape[1] * a_zero * b_zero
        return sums * of_left.scale * of_right.scale


def _codes(tensor: torch.Tensor, mapped: Mapped) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.round(tensor / mapped.scale) + mapped.zero_point, mapped.zero_point


def _mapping(name: str, args: tuple[Any, ...]) -> Mapped | None:
    """Return how the result of an operation maps to codes, or None where it is no dequantization."""
    if name.startswith("quantized_decomposed::dequantize_per_tensor"):
        return Mapped(*(torch.as_tensor(value).float().reshape(-1) for value in args[1:3]))
    if name.startswith("quantized_decomposed::dequantize_per_channel"):
        zeros = torch.zeros_like(args[1]) if args[2] is None else args[2]
        return Mapped(args[1].float(), zeros.float())
    if name.startswith("aten::dequantize"):
        codes = args[0]
        if codes.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
            return Mapped(torch.tensor([codes.q_scale()]), torch.tensor([float(codes.q_zero_point())]))
        return Mapped(codes.q_per_channel_scales().float(), codes.q_per_channel_zero_points().float())
    return None
