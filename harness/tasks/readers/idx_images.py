"""Grey images and their labels in IDX files, gzipped or not, as MNIST and the data sets after its pattern have them.

The format: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits". A header of big-endian 32-bit
numbers, the magic number first and then the size of each dimension; then the bytes.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import StageError
from harness.tasks.files import split_files
from harness.tasks.splits import split_rows

if TYPE_CHECKING:
    from datasets import Dataset

    from harness.config.schema import TaskConfig

MODALITY = "image"

_GZIP = b"\x1f\x8b"

#: The third byte of the magic number: elements are unsigned bytes. The fourth is the number of dimensions.
_UNSIGNED_BYTE = 8


def read(source: Path | None, task: TaskConfig) -> dict[str, Dataset]:
    """Return the splits with the columns image (uint8, height x width) and label (a number from 0).

    Parameters
    ----------
    source : a folder with ``SPLIT-images-idx3-ubyte`` and ``SPLIT-labels-idx1-ubyte`` for each split that the task
        names, each with or without ``.gz``.

    Raises
    ------
    StageError : ``missing_file``; ``damaged`` for a file that is cut off or is no IDX file of that kind; ``bad_data``
        when there are not as many labels as images.
    """
    if source is None:
        raise StageError("bad_config", "task.reader idx_images reads a package or path, not a hub id")
    evaluation = None if task.split.evaluation is None else _split(source, task.split.evaluation)
    return split_rows(_split(source, task.split.train), evaluation, task.split)


def _split(source: Path, name: str) -> Dataset:
    from datasets import Array2D, Dataset, Features, Value

    images_file = _file(source, f"{name}-images-idx3-ubyte")
    labels_file = _file(source, f"{name}-labels-idx1-ubyte")
    images, labels = _array(images_file, 3), _array(labels_file, 1)
    if len(images) != len(labels):
        message = f"{labels_file}: {len(labels)} labels for the {len(images)} images of {images_file.name}"
        raise StageError("bad_data", message)
    features = Features({"image": Array2D(shape=images.shape[1:], dtype="uint8"), "label": Value("int64")})
    return Dataset.from_dict({"image": images, "label": labels.astype(np.int64)}, features=features)


def _file(source: Path, name: str) -> Path:
    return split_files(source, name, (".gz",))[0]


def _array(path: Path, dimensions: int) -> np.ndarray:
    """Return the bytes of an IDX file in their shape."""
    content = path.read_bytes()
    if content.startswith(_GZIP):
        try:
            content = gzip.decompress(content)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise StageError("damaged", f"{path}: {error}") from error
    magic = bytes((0, 0, _UNSIGNED_BYTE, dimensions))
    if content[:4] != magic:
        found = content[:4].hex() or "nothing"
        message = f"begins with {found}, an IDX file of {dimensions} dimensions with {magic.hex()}"
        raise StageError("damaged", f"{path}: {message}")
    header = struct.Struct(f">4x{dimensions}I")
    if len(content) < header.size:
        raise StageError("damaged", f"{path}: {len(content)} bytes, its header alone has {header.size}")
    shape = header.unpack_from(content)
    wanted = header.size + math.prod(shape)
    if len(content) != wanted:
        sizes = " x ".join(map(str, shape))
        raise StageError("damaged", f"{path}: {len(content)} bytes, its header of {sizes} wants {wanted}")
    return np.frombuffer(content, np.uint8, offset=header.size).reshape(shape)
