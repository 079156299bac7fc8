"""What every reader's rows must satisfy before anything is trained on them, and the fixing of the label order."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import StageError, nearest

if TYPE_CHECKING:
    from datasets import Dataset

    from harness.plan.config import TaskConfig


@dataclass(frozen=True)
class Checked:
    """Rows fit to be tokenised, or images fit to be stored.

    `labels` names the classes in their order (empty for a regression); the column `label` of both splits then holds
    indices into it, as a ``ClassLabel``. `leaked_rows_dropped` training rows stood in the evaluation split as well.
    """

    train: Dataset
    evaluation: Dataset
    labels: tuple[str, ...]
    leaked_rows_dropped: int


def require_columns(there: Sequence[str], task: TaskConfig, where: str) -> None:
    """Raise ``bad_data``, with the nearest name, unless the columns that `task` names are `there`."""
    for name in ("text", "text_pair", "label"):
        column = getattr(task, name)
        if column is not None and column not in there:
            message = f"{where}: no column '{column}' (task.{name}){nearest(column, there)}"
            raise StageError("bad_data", message)


def named_columns(rows: Dataset, task: TaskConfig, where: str) -> Dataset:
    """Return only the columns that `task` names, as ``text``, ``text_pair`` (where there is one) and ``label``."""
    require_columns(rows.column_names, task, where)
    wanted = {"text": task.text, "text_pair": task.text_pair, "label": task.label}
    wanted = {new: old for new, old in wanted.items() if old is not None}
    rows = rows.select_columns(list(wanted.values()))
    # Through names no file has, because the source may call its label 'text'.
    rows = rows.rename_columns({old: f"\0{new}" for new, old in wanted.items()})
    return rows.rename_columns({f"\0{new}": new for new in wanted})


def check(splits: dict[str, Dataset], task: TaskConfig) -> Checked:
    """Check both splits, drop training rows that stand in the evaluation split, and fix the order of the labels.

    Raises
    ------
    StageError : ``bad_data`` (empty, missing values, one class), ``bad_labels`` (an evaluation label that training
        does not have, or a label outside ``task.labels``).
    """
    train, evaluation = splits["train"], splits["evaluation"]
    for name, rows in splits.items():
        if len(rows) == 0:
            raise StageError("bad_data", f"task {task.name}: the {name} split is empty")
        _require_values(rows, f"task {task.name}, {name} split")
    train, leaked = _without_leaks(train, evaluation, task)
    if task.kind == "regression":
        return _check_numbers(train, evaluation, task, leaked)
    labels, (train_indices, evaluation_indices) = _classes(train, evaluation, task)
    from datasets import ClassLabel

    train, evaluation = (
        rows.remove_columns("label").add_column("label", indices, feature=ClassLabel(names=list(labels)))
        for rows, indices in ((train, train_indices), (evaluation, evaluation_indices))
    )
    return Checked(train, evaluation, labels, leaked)


def texts(rows: Dataset) -> list[tuple[str, ...]]:
    """Return each row's text, and pair where there is one."""
    columns = [rows[name] for name in ("text", "text_pair") if name in rows.column_names]
    return list(zip(*columns, strict=True))


def pixels(rows: Dataset) -> np.ndarray:
    """Return the column ``image`` as uint8, shape (rows, height, width)."""
    return rows.select_columns(["image"]).with_format("numpy", dtype=np.uint8)[:]["image"]


def contents(rows: Dataset) -> list[tuple[str, ...]]:
    """Return what each row holds beside its label: its texts, or the size and the SHA-256 of its image's pixels."""
    if "image" not in rows.column_names:
        return texts(rows)
    height, width = rows.features["image"].shape
    return [(f"{height}x{width} {hashlib.sha256(image.tobytes()).hexdigest()}",) for image in pixels(rows)]


def _require_values(rows: Dataset, where: str) -> None:
    for name in rows.column_names:
        if name == "image":  # bytes, none of which can be missing
            continue
        values = list(rows[name])
        missing = [row for row, value in enumerate(values) if _absent(value, name)]
        if missing:
            raise StageError("bad_data", f"{where}: {len(missing)} rows have no {name}, the first is row {missing[0]}")
        if name != "label" and not all(isinstance(value, str) for value in values):
            kind = next(type(value).__name__ for value in values if not isinstance(value, str))
            raise StageError("bad_data", f"{where}: column {name} holds {kind}, not text")


def _absent(value: Any, column: str) -> bool:
    # A CSV cannot tell an empty field from a missing one, and no class has an empty name.
    blank = column == "label" and isinstance(value, str) and not value.strip()
    return value is None or value != value or blank


def _without_leaks(train: Dataset, evaluation: Dataset, task: TaskConfig) -> tuple[Dataset, int]:
    held_out = {_stripped(row) for row in contents(evaluation)}
    kept = [row for row, content in enumerate(contents(train)) if _stripped(content) not in held_out]
    if not kept:
        message = f"task {task.name}: every training row also stands in the evaluation split"
        raise StageError("bad_data", message)
    dropped = len(train) - len(kept)
    return (train.select(kept) if dropped else train), dropped


def _stripped(row: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text.strip() for text in row)


def _check_numbers(train: Dataset, evaluation: Dataset, task: TaskConfig, leaked: int) -> Checked:
    from datasets import Value

    checked = []
    for rows in (train, evaluation):
        try:
            values = [float(value) for value in rows["label"]]
        except (TypeError, ValueError) as error:
            raise StageError("bad_data", f"task {task.name}: a regression needs numbers as labels: {error}") from error
        if not all(math.isfinite(value) for value in values):
            raise StageError("bad_data", f"task {task.name}: a label is not finite")
        if len(set(values)) < 2:
            raise StageError("bad_data", f"task {task.name}: every label is {values[0]}")
        checked.append(rows.remove_columns("label").add_column("label", values, feature=Value("float32")))
    return Checked(checked[0], checked[1], (), leaked)


def _classes(train: Dataset, evaluation: Dataset, task: TaskConfig) -> tuple[tuple[str, ...], list[list[int]]]:
    """Return the label names in order and, for each split, the rows' indices into them."""
    names = [_label_names(rows, task) for rows in (train, evaluation)]
    seen = set(names[0])
    if task.labels is not None:
        labels = tuple(str(label) for label in task.labels)
        names = _by_index(names, labels)
        source = "task.labels"
    else:
        labels = getattr(train.features["label"], "names", None) or sorted(seen, key=_natural)
        labels, source = tuple(labels), "the training split"
    if len(set(names[0])) == 1:  # said first: it is why the evaluation rows have labels that training does not
        raise StageError("bad_data", f"task {task.name}: every training row has the one label '{names[0][0]}'")
    known = set(labels) if task.labels is not None else seen
    for where, split in zip(("training", "evaluation"), names, strict=True):
        unknown = sorted(set(split) - known)
        if unknown:
            message = f"task {task.name}: {where} label '{unknown[0]}' is not in {source}{nearest(unknown[0], known)}"
            raise StageError("bad_labels", message)
    positions = {label: index for index, label in enumerate(labels)}
    return labels, [[positions[name] for name in split] for split in names]


def _label_names(rows: Dataset, task: TaskConfig) -> list[str]:
    names = getattr(rows.features["label"], "names", None)
    values: Iterable[Any] = rows["label"]
    if names is None:
        return [_name(value, task) for value in values]
    values = list(values)
    outside = [value for value in values if not 0 <= value < len(names)]
    if outside:
        message = f"task {task.name}: label {outside[0]} has no name (hidden test labels? name another split)"
        raise StageError("bad_labels", message)
    return [names[value] for value in values]


def _name(value: Any, task: TaskConfig) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        if not value.is_integer():
            raise StageError("bad_data", f"task {task.name}: label {value} is no class; kind=regression takes numbers")
        return str(int(value))
    return str(value)


def _by_index(splits: list[list[str]], labels: tuple[str, ...]) -> list[list[str]]:
    """Give integer labels the names that stand at their places, where the integers themselves are not names.

    Both splits are read in the same way, though one of them may not have every label.
    """
    seen = set().union(*splits)
    places = {str(index): label for index, label in enumerate(labels)}
    if seen <= set(labels) or not seen <= set(places):
        return splits
    return [[places[name] for name in names] for names in splits]


def _natural(label: str) -> tuple[bool, int, str]:
    """Sort key: numbers by value, before names by letter."""
    number = re.fullmatch("-?[0-9]+", label) is not None
    return (not number, int(label) if number else 0, label)
