"""Writes IDX files by the format's description, for tests of what reads them."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def idx(array: np.ndarray, element: int = 8) -> bytes:
    """Return the file of an array of unsigned bytes; `element` is the magic number's code of what an element is."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes((0, 0, element, array.ndim)) + sizes + array.astype(np.uint8).tobytes()


def write_split(folder: Path, name: str, images: np.ndarray, labels: Sequence[int], gzipped: bool = False) -> Path:
    """Write a split's two files into `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, array in (("images-idx3", images), ("labels-idx1", np.asarray(labels))):
        content, ending = idx(array), ""
        if gzipped:
            content, ending = gzip.compress(content), ".gz"
        (folder / f"{name}-{kind}-ubyte{ending}").write_bytes(content)
    return folder
