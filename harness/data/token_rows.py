"""Tokenised rows of one split, as plain arrays that every backend's environment can read (NumPy only)."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.any_rows import AnyRows, Indices
from harness.data.image_rows import ImageRows

#: How each evaluation row is called in messages: where in the user's file it stands, where that is known.
ORIGINS_FILE = "origins.json"


@dataclass(frozen=True)
class Rows:
    """Ragged token sequences: row i is ``input_ids[offsets[i]:offsets[i + 1]]``.

    `labels` is int64 (classes) or float32 (regression), shape (rows,). `pad_id` fills up a batch.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    pad_id: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens in each row, shape (rows,)."""
        return np.diff(self.offsets)

    def batch(self, indices: Indices, length: int | None = None) -> dict[str, np.ndarray]:
        """Return int64 arrays (rows, tokens): input_ids, attention_mask, token_type_ids.

        Padded to `length` tokens, or to the longest row; a row longer than `length` is cut.
        """
        spans = [(int(self.offsets[i]), int(self.offsets[i + 1])) for i in indices]
        width = length or max(end - start for start, end in spans)
        arrays = {name: np.zeros((len(spans), width), np.int64) for name in ("attention_mask", "token_type_ids")}
        arrays["input_ids"] = np.full((len(spans), width), self.pad_id, np.int64)
        for row, (start, end) in enumerate(spans):
            end = min(end, start + width)
            arrays["input_ids"][row, : end - start] = self.input_ids[start:end]
            arrays["token_type_ids"][row, : end - start] = self.token_type_ids[start:end]
            arrays["attention_mask"][row, : end - start] = 1
        return arrays

    def by_length(self, batch_size: int) -> list[np.ndarray]:
        """Return fixed batches of row numbers, longest rows first, so that order and padding never vary."""
        order = np.argsort(-self.lengths, kind="stable")
        return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]

    def first(self, count: int) -> Rows:
        """Return the first `count` rows."""
        tokens = int(self.offsets[count])
        return dataclasses.replace(
            self,
            input_ids=self.input_ids[:tokens],
            token_type_ids=self.token_type_ids[:tokens],
            offsets=self.offsets[: count + 1],
            labels=self.labels[:count],
        )

    def take(self, indices: Indices) -> Rows:
        """Return the rows `indices`, in that order."""
        spans = [slice(self.offsets[row], self.offsets[row + 1]) for row in indices]
        return dataclasses.replace(
            self,
            input_ids=np.concatenate([self.input_ids[span] for span in spans]),
            token_type_ids=np.concatenate([self.token_type_ids[span] for span in spans]),
            offsets=np.cumsum([0, *(self.lengths[row] for row in indices)]),
            labels=self.labels[np.asarray(indices)],
        )

    def save(self, path: Path) -> None:
        """Write one ``.npz`` without pickles."""
        np.savez(
            path,
            input_ids=self.input_ids.astype(np.int32),
            token_type_ids=self.token_type_ids.astype(np.int8),
            offsets=self.offsets.astype(np.int64),
            labels=self.labels,
            pad_id=np.int64(self.pad_id),
        )

    @classmethod
    def load(cls, path: Path) -> Rows:
        """Read what :meth:`save` wrote; pickles are refused."""
        with np.load(path, allow_pickle=False) as arrays:
            values = {name: arrays[name] for name in arrays.files}
        values["pad_id"] = int(values["pad_id"])
        return cls(**values)


def load_rows(path: Path) -> AnyRows:
    """Read the rows of a split, tokens or images, whichever the file holds; pickles are refused."""
    with np.load(path, allow_pickle=False) as arrays:
        if "pixels" in arrays.files:
            return ImageRows(**{name: arrays[name] for name in arrays.files})
    return Rows.load(path)


def origin(tokenised: Path, row: int) -> str:
    """Return how an evaluation row is called in messages: where in the user's file it stands, where that is known."""
    path = tokenised / ORIGINS_FILE
    names = json.loads(path.read_text()) if path.exists() else []  # windows of running text have none
    return f"evaluation row {row}" + (f" ({names[row]})" if row < len(names) and ", row" in names[row] else "")
