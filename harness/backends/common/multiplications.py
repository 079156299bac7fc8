"""How many multiplications the matrix products of one forward pass made, in all and on codes of 8 bits.

A count of operations says little: one linear layer in INT8 beside eight large products in FP32 is one operation of
nine, and may be a hundredth of the work. A product of matrices with shapes (..., m, k) and (..., k, n) makes m x k x n
multiplications for each pair, so the size of its result times the length of what it sums over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass
class Tally:
    """Sums up the products of a forward pass, one after the other.

    `int8` and `total` become None for good with the first product whose shapes are not known: a part is no answer.
    """

    int8: int | None = 0
    total: int | None = 0

    def add(self, precision: str, multiplications: int | None) -> None:
        """Count a product; `multiplications` is None where the runtime does not tell its shapes."""
        if precision == "int8":
            self.int8 = _sum(self.int8, multiplications)
        self.total = _sum(self.total, multiplications)


def of_product(left: Sequence[int] | None, result: Sequence[int] | None) -> int | None:
    """Return the multiplications of a product whose left factor has the shape (..., m, k) and `result` (..., m, n)."""
    if not left or not result:
        return None
    sizes = [*left, *result]
    if any(not isinstance(size, int) or size < 1 for size in sizes):
        return None
    return math.prod(result) * left[-1]


def of_rows(per_row: Mapping[str, int] | None, rows: int, tokens: int | None) -> int | None:
    """Return the multiplications of a network on a batch, from what :func:`harness.models.work.per_row` has told.

    Parameters
    ----------
    per_row : multiplications a row: `row` whatever its length, `token` for each token, `token_pair` for each pair of
        tokens; None where they are not known.
    tokens : the length that rows are padded to; None for images.
    """
    if per_row is None:
        return None
    tokens = tokens or 0
    return rows * (per_row["row"] + per_row["token"] * tokens + per_row["token_pair"] * tokens**2)


def _sum(before: int | None, more: int | None) -> int | None:
    return None if before is None or more is None else before + more
