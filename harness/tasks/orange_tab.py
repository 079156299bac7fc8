"""Orange's tab-delimited files: three header rows (names, types, flags), then the data.

The format: https://orange3.readthedocs.io/projects/orange-data-mining-library/en/latest/reference/data.io.html
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StageError, nearest
from harness.tasks.files import split_files
from harness.tasks.splits import split_rows

if TYPE_CHECKING:
    from datasets import Dataset

    from harness.plan.config import TaskConfig


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

    # A field may hold a whole document; the csv module's own limit is 131,072 characters.
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    texts: list[str] = []
    labels: list[str] = []
    for path in paths:
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                rows = list(csv.reader(stream, delimiter="\t"))
        except (UnicodeDecodeError, csv.Error) as error:
            raise StageError("bad_data", f"{path.name}: {error}") from error
        if len(rows) < 3:
            raise StageError(
                "bad_data", f"{path.name}: has {len(rows)} rows, a .tab file starts with three header rows"
            )
        text, label = _columns(*rows[:3], task=task, where=path.name)
        for number, row in enumerate(rows[3:], start=4):
            if not row:
                continue
            if len(row) != len(rows[0]):
                raise StageError("bad_data", f"{path.name}, row {number}: {len(row)} fields, not {len(rows[0])}")
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
