"""Images of one split, as plain arrays that every backend's environment can read (NumPy only)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.any_rows import Indices

#: A pixel p of 0 to 255 becomes (p / 255 - MEAN) / DEVIATION, so -1 to 1, as ViT's own image processor has it.
MEAN = 0.5
DEVIATION = 0.5


@dataclass(frozen=True)
class ImageRows:
    """Grey images of one size, with the methods of :class:`harness.data.token_rows.Rows`.

    `pixels` is uint8, shape (rows, height, width). `labels` is int64 (classes) or float32 (regression), shape (rows,).
    """

    pixels: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> np.ndarray:
        """Pixels in each row, all as many, shape (rows,)."""
        return np.full(len(self), self.pixels[0].size if len(self) else 0)

    def batch(self, indices: Indices, length: int | None = None) -> dict[str, np.ndarray]:
        """Return float32 ``pixel_values`` of shape (rows, 1, height, width), from -1 to 1; `length` has no meaning."""
        shares = self.pixels[np.asarray(indices, np.int64), None].astype(np.float32) / 255
        return {"pixel_values": (shares - np.float32(MEAN)) / np.float32(DEVIATION)}

    def by_length(self, batch_size: int) -> list[np.ndarray]:
        """Return fixed batches of row numbers, in row order."""
        return [np.arange(start, min(start + batch_size, len(self))) for start in range(0, len(self), batch_size)]

    def first(self, count: int) -> ImageRows:
        """Return the first `count` rows."""
        return ImageRows(self.pixels[:count], self.labels[:count])

    def take(self, indices: Indices) -> ImageRows:
        """Return the images `indices`, in that order."""
        chosen = np.asarray(indices)
        return ImageRows(pixels=self.pixels[chosen], labels=self.labels[chosen])

    def save(self, path: Path) -> None:
        """Write one ``.npz`` without pickles."""
        np.savez(path, pixels=self.pixels, labels=self.labels)
