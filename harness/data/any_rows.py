"""What rows of texts and of images have in common: all that stages and backends need of either."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self

import numpy as np

#: Numbers of rows, shape (chosen,).
Indices = Sequence[int] | np.ndarray


class AnyRows(Protocol):
    """:class:`harness.data.token_rows.Rows` or :class:`harness.data.image_rows.ImageRows`; what is said there holds."""

    @property
    def labels(self) -> np.ndarray:
        """Classes (int64) or numbers (float32), shape (rows,)."""

    @property
    def lengths(self) -> np.ndarray:
        """Tokens or pixels in each row, shape (rows,)."""

    def __len__(self) -> int: ...

    def batch(self, indices: Indices, length: int | None = None) -> dict[str, np.ndarray]:
        """Return the network's inputs for some rows, by name, each of shape (rows, ...)."""

    def by_length(self, batch_size: int) -> list[np.ndarray]:
        """Return fixed batches of row numbers."""

    def first(self, count: int) -> Self:
        """Return the first `count` rows."""

    def take(self, indices: Indices) -> Self:
        """Return some rows, in the order given."""

    def save(self, path: Path) -> None:
        """Write one ``.npz``."""
