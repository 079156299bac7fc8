"""Labelled texts in Orange's tab-delimited files; see :mod:`harness.tasks.tab`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StageError, nearest
from harness.tasks.files import split_files
from harness.tasks.splits import split_rows
from harness.tasks.tab import read_tab

if TYPE_CHECKING:
    from datasets import Dataset

    from harness.config.schema import TaskConfig


def read(source: Path | None, task: TaskConfig) -> dict[str, Dataset]:
    """Return the splits with the columns text and label.

    The label is the column flagged ``class``; the text is the column that ``task.text`` names, in any case, else the
    only column of type ``string``.

    Raises
    ------
    StageError : ``missing_file`` or ``bad_data``.
    """
    if source is None:
        raise StageError("bad_config", "task.reader orange_tab reads a package or path, not a hub id")
    train = _table(split_files(source, task.split.train, (".tab",)), task)
    evaluation = None
    if task.split.evaluation is not None:
        evaluation = _table(split_files(source, task.split.evaluation, (".tab",)), task)
    return split_rows(train, evaluation, task.split)


def _table(paths: list[Path], task: TaskConfig) -> Dataset:
    from datasets import Dataset

    texts: list[str] = []
    labels: list[str] = []
    for path in paths:
        header, rows = read_tab(path)
        text, label = _columns(*header, task=task, where=path.name)
        for row in rows:
            texts.append(row[text])
            labels.append(row[label])
    return Dataset.from_dict({"text": texts, "label": labels})


def _columns(
    names: Sequence[str], types: Sequence[str], flags: Sequence[str], *, task: TaskConfig, where: str
) -> tuple[int, int]:
    """Return the places of the text and of the class column."""
    classes = [place for place, flag in enumerate(flags) if flag.split("=")[0].strip() == "class"]
    if len(classes) != 1:
        raise StageError("bad_data", f"{where}: {len(classes)} columns are flagged 'class' in the third row, not one")
    named = [place for place, name in enumerate(names) if name.casefold() == task.text.casefold()]
    strings = [place for place, kind in enumerate(types) if kind.strip() in ("string", "s", "text")]
    found = named or strings
    if len(found) != 1 or found == classes:
        raise StageError("bad_data", f"{where}: no column '{task.text}' (task.text){nearest(task.text, names)}")
    return found[0], classes[0]
