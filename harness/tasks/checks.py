"""What every reader's rows must satisfy before anything is trained on them, and the fixing of the label order."""

from __future__ import annotations

import ast
import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import StageError, nearest

if TYPE_CHECKING:
    from datasets import Dataset

    from harness.config.schema import TaskConfig


#: A column that tells where in a user's file each row stands, where a reader knows; in messages instead of a number
#: that the shuffling of the rows has changed. Its name in a source's own table can be no other column's.
ORIGIN = "origin"
FILE_ORIGIN = "__origin_in_the_file__"


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


@dataclass(frozen=True)
class Examined:
    """As :class:`Checked`; the rows keep their own labels, and `values` holds each split's indices or numbers."""

    train: Any
    evaluation: Any
    labels: tuple[str, ...]
    values: tuple[list[int] | list[float], ...]
    leaked_rows_dropped: int


def require_columns(there: Sequence[str], task: TaskConfig, where: str) -> None:
    """Raise unless the columns that `task` names are `there`, each for one purpose.

    Raises
    ------
    StageError : ``bad_data``, with the nearest name; ``bad_config`` where two fields name one column.
    """
    named: dict[str, str] = {}
    for name in ("text", "text_pair", "label"):
        column = getattr(task, name)
        if column is None:
            continue
        if column in named:
            message = f"task.{named[column]} and task.{name} both name the column '{column}'; want two columns"
            raise StageError("bad_config", message)
        named[column] = name
        if column not in there:
            message = f"{where}: no column '{column}' (task.{name}){nearest(column, there)}"
            raise StageError("bad_data", message)


def named_columns(rows: Dataset, task: TaskConfig, where: str) -> Dataset:
    """Return only the columns that `task` names, as ``text``, ``text_pair`` (where there is one) and ``label``.

    :data:`FILE_ORIGIN` comes along as :data:`ORIGIN`.
    """
    require_columns(rows.column_names, task, where)
    wanted = {"text": task.text, "text_pair": task.text_pair, "label": task.label}
    wanted = {new: old for new, old in wanted.items() if old is not None}
    if FILE_ORIGIN in rows.column_names:
        wanted[ORIGIN] = FILE_ORIGIN
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
    from datasets import ClassLabel, Value

    found = examine(splits, task)
    feature = Value("float32") if task.kind == "regression" else ClassLabel(names=list(found.labels))
    train, evaluation = (
        rows.remove_columns("label").add_column("label", values, feature=feature)
        for rows, values in zip((found.train, found.evaluation), found.values, strict=True)
    )
    return Checked(train, evaluation, found.labels, found.leaked_rows_dropped)


def examine(splits: Mapping[str, Any], task: TaskConfig) -> Examined:
    """Do what :func:`check` does with rows of any kind that give columns by name, without a framework.

    Raises
    ------
    StageError : as :func:`check`.
    """
    train, evaluation = splits["train"], splits["evaluation"]
    for name, rows in splits.items():
        if len(rows) == 0:
            raise StageError("bad_data", f"task {task.name}: the {name} split is empty")
        _require_values(rows, f"task {task.name}, {name} split")
    train, leaked = _without_leaks(train, evaluation, task)
    if task.kind == "regression":
        values = tuple(_numbers(rows, task) for rows in (train, evaluation))
        return Examined(train, evaluation, (), values, leaked)
    labels, indices = _classes(train, evaluation, task)
    return Examined(train, evaluation, labels, tuple(indices), leaked)


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


def origins(rows: Dataset) -> list[str]:
    """Return how each row is called in messages: where in the user's file it stands, else its number in the split."""
    if ORIGIN in rows.column_names:
        return list(rows[ORIGIN])
    return [f"row {row}" for row in range(len(rows))]


def _require_values(rows: Dataset, where: str) -> None:
    for name in rows.column_names:
        if name in ("image", ORIGIN):  # bytes, none of which can be missing; and what is our own
            continue
        values = list(rows[name])
        if name == "label":
            require_single_labels(values, rows, where)
        missing = [row for row, value in enumerate(values) if _absent(value, name)]
        if missing:
            first = min(missing) if ORIGIN not in rows.column_names else _first_in_file(rows, missing)
            message = f"{len(missing)} rows have no {name}, the first is {origins(rows)[first]}"
            raise StageError("bad_data", f"{where}: {message}")
        if name != "label" and not all(isinstance(value, str) for value in values):
            odd = next(row for row, value in enumerate(values) if not isinstance(value, str))
            kind = type(values[odd]).__name__
            raise StageError("bad_data", f"{where}: column {name} holds {kind}, not text, such as {origins(rows)[odd]}")


def _first_in_file(rows: Dataset, some: Sequence[int]) -> int:
    """Return of some rows the one that stands first in the user's file, whatever order the split has."""
    names = origins(rows)
    return min(some, key=lambda row: (names[row].rpartition(" ")[0], int(names[row].rpartition(" ")[2])))


def require_single_labels(values: Sequence[Any], rows: Dataset, where: str) -> None:
    """Raise ``bad_data`` for a label that is a list, or the text of one: such a row is not of any one class."""
    for row, value in enumerate(values):
        if is_several(value):
            message = f"label {_short(value)} of {origins(rows)[row]} holds several labels"
            raise StageError("bad_data", f"{where}: {message}; multi-label tasks are not supported yet, want one a row")


def is_several(value: Any) -> bool:
    """Say whether a label is a list, or the text of one as Python or JSON write it."""
    if not isinstance(value, str):
        return isinstance(value, (list, tuple, dict, np.ndarray))
    text = value.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return False
    try:  # no code is run
        return isinstance(ast.literal_eval(text), list)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


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


def _numbers(rows: Dataset, task: TaskConfig) -> list[float]:
    given = list(rows["label"])
    values = [_number(value) for value in given]
    odd = next((row for row, value in enumerate(values) if not math.isfinite(value)), None)
    if odd is not None:
        found = f"label '{given[odd]}' of {origins(rows)[odd]} is no finite number"
        raise StageError("bad_data", f"task {task.name}: {found}, which kind=regression wants")
    if len(set(values)) < 2:
        raise StageError("bad_data", f"task {task.name}: every label is {values[0]}")
    return values


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _classes(train: Dataset, evaluation: Dataset, task: TaskConfig) -> tuple[tuple[str, ...], list[list[int]]]:
    """Return the label names in order and, for each split, the rows' indices into them."""
    names = [_label_names(rows, task) for rows in (train, evaluation)]
    seen = set(names[0])
    if task.labels is not None:
        labels = tuple(str(label) for label in task.labels)
        names = _by_index(names, labels)
        source = "task.labels"
    else:
        given = getattr(train.features["label"], "names", None) or sorted(seen, key=_natural)
        labels, source = tuple(given), "the training split"
    if len(set(names[0])) == 1:  # said first: it is why the evaluation rows have labels that training does not
        raise StageError("bad_data", f"task {task.name}: every training row has the one label '{names[0][0]}'")
    known = set(labels) if task.labels is not None else seen
    for where, split in zip(("training", "evaluation"), names, strict=True):
        unknown = sorted(set(split) - known)
        if unknown:
            rows = train if where == "training" else evaluation
            at = origins(rows)[split.index(unknown[0])]
            message = f"task {task.name}: {where} label '{unknown[0]}' ({at}) is not in {source}"
            message += nearest(unknown[0], known)
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


def _natural(label: str) -> tuple[bool, Decimal, str]:
    """Sort key: numbers by value, before names by letter."""
    number = re.fullmatch("-?[0-9]+", label) is not None
    # However many digits it has, which int refuses from some thousands on.
    return (not number, Decimal(label) if number else Decimal(0), label)
