"""The formulae of affine and scale (symmetric) quantization, once.

With real range ``[a, b]``, widened to hold 0, and codes ``[qmin, qmax]``::

    affine:     S = (b - a) / (qmax - qmin)               Z = qmin - round(a / S), clamped to the codes
    symmetric:  S = 2 max(|a|, |b|) / (qmax - qmin)       Z = 0 (int8), the middle code (uint8)
    q  = clamp(round(x / S) + Z, qmin, qmax)              x' = S (q - Z)

B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR
2018. `reduce_range` gives away one bit: without VNNI, VPMADDUBSW adds two u8 x s8 products in a saturating int16, and
255 * 127 * 2 > 32767, while 7-bit activations cannot reach it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Codes:
    """The integers that a tensor is mapped to, both ends included."""

    low: int
    high: int


@dataclass(frozen=True)
class Mapping:
    """Scale and zero point, each a float64 or int64 array of shape () or (channels,)."""

    scale: np.ndarray
    zero_point: np.ndarray
    codes: Codes


def codes(dtype: str, reduce_range: bool = False) -> Codes:
    """Return the codes of ``int8`` or ``uint8``, with 7 bits where `reduce_range`."""
    low, high = {"int8": (-128, 127), "uint8": (0, 255)}[dtype]
    return Codes(low // 2, high // 2) if reduce_range else Codes(low, high)


def mapping(low: np.ndarray, high: np.ndarray, dtype: str, scheme: str, reduce_range: bool = False) -> Mapping:
    """Return the mapping of the range `low` to `high`, arrays of one shape; a range of width 0 gets the scale 1."""
    there = codes(dtype, reduce_range)
    low, high = np.minimum(np.asarray(low, float), 0.0), np.maximum(np.asarray(high, float), 0.0)
    width = high - low if scheme == "affine" else 2 * np.maximum(-low, high)
    scale = np.where(width > 0, width / (there.high - there.low), 1.0)
    if scheme == "affine":
        zero_point = np.clip(there.low - np.round(low / scale), there.low, there.high)
    else:
        zero_point = np.full_like(scale, 0 if dtype == "int8" else (there.low + there.high + 1) // 2)
    return Mapping(scale, zero_point.astype(np.int64), there)


def quantize(values: np.ndarray, to: Mapping) -> np.ndarray:
    """Return the codes of `values`, int64; halves round to even, as the kernels do."""
    shifted = np.round(values / to.scale) + to.zero_point
    return np.clip(shifted, to.codes.low, to.codes.high).astype(np.int64)


def dequantize(quantized: np.ndarray, of: Mapping) -> np.ndarray:
    """Return the real values that codes stand for."""
    return of.scale * (quantized - of.zero_point)
