"""A user's own table as plain columns, read without a framework: what ``harness plan`` looks at."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.tasks.checks import FILE_ORIGIN, ORIGIN, require_columns
from harness.tasks.readers.table import file_table
from harness.tasks.splits import split_indices

if TYPE_CHECKING:
    import pyarrow

    from harness.config.schema import TaskConfig


@dataclass(frozen=True)
class _Label:
    """What a Parquet file of the library `datasets` says of its label: the names of the classes, where it has any."""

    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class PlainRows:
    """Columns of lists, with as much of a ``datasets.Dataset`` as :func:`harness.tasks.checks.examine` asks for."""

    columns: dict[str, list[Any]]
    features: dict[str, _Label] = field(default_factory=lambda: {"label": _Label()})

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name: str) -> list[Any]:
        return self.columns[name]

    @property
    def column_names(self) -> list[str]:
        """The names of the columns."""
        return list(self.columns)

    def select(self, rows: Sequence[int] | np.ndarray) -> PlainRows:
        """Return some rows, in the order of their numbers given."""
        chosen = [int(row) for row in rows]
        return PlainRows(
            {name: [column[row] for row in chosen] for name, column in self.columns.items()}, self.features
        )


def read_table(source: Path, task: TaskConfig) -> dict[str, PlainRows]:
    """Return the splits of a user's own table as :func:`harness.tasks.readers.table.read` does, row for row.

    Raises
    ------
    StageError : ``missing_file``, ``bad_data`` or ``bad_config``.
    """
    split = task.split
    train = _columns(file_table(source, split.train, task), task, f"split '{split.train}'")
    rest, count = train, None
    if split.evaluation is not None:
        rest = _columns(file_table(source, split.evaluation, task), task, f"split '{split.evaluation}'")
        count = len(rest)
    of_train, of_evaluation = split_indices(len(train), count, split)
    return {"train": train.select(of_train), "evaluation": rest.select(of_evaluation)}


def _columns(table: pyarrow.Table, task: TaskConfig, where: str) -> PlainRows:
    names = [name for name in table.column_names if name != FILE_ORIGIN]
    require_columns(names, task, where)
    wanted = {"text": task.text, "text_pair": task.text_pair, "label": task.label, ORIGIN: FILE_ORIGIN}
    columns = {new: table.column(old).to_pylist() for new, old in wanted.items() if old is not None}
    return PlainRows(columns, {"label": _Label(_class_names(table, task.label))})


def _class_names(table: pyarrow.Table, label: str) -> tuple[str, ...] | None:
    """Return the names that the library `datasets` has written into a Parquet file's metadata, or None."""
    try:
        told = json.loads((table.schema.metadata or {})[b"huggingface"])["info"]["features"][label]
        is_index = str(table.schema.field(label).type) == "int64"
        return tuple(map(str, told["names"])) if told["_type"] == "ClassLabel" and is_index else None
    except (KeyError, TypeError, ValueError):
        return None
