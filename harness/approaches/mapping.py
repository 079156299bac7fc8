"""The formulae of affine and scale quantization, once: from a range to a scale and a zero point, to codes and back.

A real number x becomes the code::

    q = clamp(round(x / S) + Z, qmin, qmax)         x' = S (q - Z)

with a scale S > 0 and an integer zero point Z (B. Jacob et al., "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference", CVPR 2018, eq. 1). The range of x is first widened to contain 0, so that
0 has a code of its own and padding costs nothing. Rounding is to the nearest, ties to even, as in IEEE 754.

====================  =======================  =============================  =======================
scheme                S                        Z for INT8, codes -128 to 127  Z for UINT8, 0 to 255
====================  =======================  =============================  =======================
affine                (max - min) / 255        -128 - round(min / S)          -round(min / S)
symmetric (or scale)  2 max(-min, max) / 255   0                              128
====================  =======================  =============================  =======================

`reduce_range` leaves 7 bits: codes -64 to 63 or 0 to 127, and 127 in the place of 255. A CPU without VNNI adds pairs of
products of a UINT8 and an INT8 code in 16 bits (VPMADDUBSW), where 2 * 255 * 127 = 64770 saturates at 32767 while
2 * 127 * 127 = 32258 does not. VNNI adds in 32 bits and needs no such range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: No scale is smaller, so that a tensor of zeros has one too; PyTorch's observers end there as well.
SMALLEST_SCALE = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Codes:
    """The integers that a tensor is mapped to, both ends included."""

    smallest: int
    largest: int

    @property
    def steps(self) -> int:
        """The number of steps from the smallest code to the largest."""
        return self.largest - self.smallest


@dataclass(frozen=True)
class Mapping:
    """A scale and a zero point for a tensor (arrays of shape ()), or for each of its rows (shape (rows,))."""

    scale: np.ndarray
    zero_point: np.ndarray
    codes: Codes


def codes(dtype: str, reduce_range: bool = False) -> Codes:
    """Return the codes of ``int8`` or ``uint8``, of 7 bits where `reduce_range` says so."""
    largest = 127 if reduce_range else 255
    if dtype == "uint8":
        return Codes(0, largest)
    if dtype == "int8":
        return Codes(-(largest + 1) // 2, largest // 2)
    raise ValueError(f"dtype {dtype!r}: want int8 or uint8")


def affine(minimum: np.ndarray | float, maximum: np.ndarray | float, codes: Codes) -> Mapping:
    """Return the mapping that spreads the range over all codes, with 0 wherever it falls."""
    minimum, maximum = _with_zero(minimum, maximum)
    scale = np.maximum((maximum - minimum) / codes.steps, SMALLEST_SCALE)
    zero_point = np.clip(codes.smallest - np.rint(minimum / scale), codes.smallest, codes.largest)
    return Mapping(scale, zero_point.astype(np.int64), codes)


def symmetric(minimum: np.ndarray | float, maximum: np.ndarray | float, codes: Codes) -> Mapping:
    """Return the mapping whose middle code is 0 and that reaches the larger end of the range."""
    minimum, maximum = _with_zero(minimum, maximum)
    scale = np.maximum(2 * np.maximum(-minimum, maximum) / codes.steps, SMALLEST_SCALE)
    middle = (codes.smallest + codes.largest + 1) // 2
    return Mapping(scale, np.full(scale.shape, middle, np.int64), codes)


def quantize(values: np.ndarray, mapping: Mapping) -> np.ndarray:
    """Return the codes of `values` as int64; a scale for each row goes with the first axis of `values`."""
    scale, zero_point = _beside(values, mapping)
    return np.clip(np.rint(values / scale) + zero_point, mapping.codes.smallest, mapping.codes.largest).astype(np.int64)


def dequantize(quantized: np.ndarray, mapping: Mapping) -> np.ndarray:
    """Return the numbers that codes stand for, as float64."""
    scale, zero_point = _beside(quantized, mapping)
    return scale * (quantized - zero_point)


def signal_to_noise_db(values: np.ndarray, approximation: np.ndarray) -> float:
    """Return the signal-to-quantization-noise ratio in decibels: 10 log10 of the ratio of the sums of squares."""
    noise = np.sum(np.square(np.asarray(values, np.float64) - approximation))
    return float(10 * np.log10(np.sum(np.square(np.asarray(values, np.float64))) / noise))


def _with_zero(minimum: np.ndarray | float, maximum: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    minimum, maximum = np.asarray(minimum, np.float64), np.asarray(maximum, np.float64)
    if not (np.all(np.isfinite(minimum)) and np.all(np.isfinite(maximum)) and np.all(minimum <= maximum)):
        raise ValueError("a range needs finite ends in order")
    return np.minimum(minimum, 0.0), np.maximum(maximum, 0.0)


def _beside(values: np.ndarray, mapping: Mapping) -> tuple[np.ndarray, np.ndarray]:
    """Return scale and zero point in a shape that broadcasts along the rows of `values`."""
    if mapping.scale.ndim == 0:
        return mapping.scale, mapping.zero_point
    shape = (-1, *[1] * (np.ndim(values) - 1))
    return mapping.scale.reshape(shape), mapping.zero_point.reshape(shape)
