"""A reader: a row a line, the label, a tab, the text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StageError
from harness.tasks.files import split_files
from harness.tasks.splits import split_rows

if TYPE_CHECKING:
    from datasets import Dataset

    from harness.config.schema import TaskConfig


def read(source: Path | None, task: TaskConfig) -> dict[str, Dataset]:
    """Return the splits with the columns text and label.

    Raises
    ------
    StageError : ``bad_config``, ``missing_file`` or ``bad_data``.
    """
    if source is None:
        raise StageError("bad_config", "task.reader lines reads a path, not a hub id")
    evaluation = None if task.split.evaluation is None else _rows(source, task.split.evaluation)
    return split_rows(_rows(source, task.split.train), evaluation, task.split)


def _rows(source: Path, split: str) -> Dataset:
    from datasets import Dataset

    rows = []
    for file in split_files(source, split, (".txt",)):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            label, tab, text = line.partition("\t")
            if not tab:
                raise StageError("bad_data", f"{file.name}, line {number}: want a label, a tab and a text")
            rows.append({"text": text, "label": label})
    return Dataset.from_list(rows)
