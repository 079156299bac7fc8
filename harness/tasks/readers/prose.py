"""Documents of running text, for language models: what is predicted is the text itself, so there is no label.

A split is text files (``.txt``, one document each) or Orange's tab-delimited files (three header rows, see
:mod:`harness.tasks.tab`), of which ``task.text`` names the column.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StageError, nearest
from harness.tasks.files import split_files
from harness.tasks.tab import read_tab

if TYPE_CHECKING:
    from harness.config.schema import TaskConfig

#: What it gives.
MODALITY = "prose"


def read(source: Path | None, task: TaskConfig) -> dict[str, list[str]]:
    """Return the documents of the splits ``train`` and ``evaluation``, in the order of their files.

    Training documents that stand in the evaluation split as well are left out.

    Raises
    ------
    StageError : ``missing_file``, ``bad_data``, ``bad_config``.
    """
    if source is None:
        raise StageError("bad_config", "task.reader prose reads a package or path, not a hub id")
    if task.split.evaluation is None:
        # Parts of one document are no independent text: a model that knows one half knows much of the other.
        raise StageError("bad_config", "task.split.evaluation: want a file of other documents than those of train")
    found = {name: _documents(source, getattr(task.split, name), task) for name in ("train", "evaluation")}
    held_out = set(found["evaluation"])
    found["train"] = [text for text in found["train"] if text not in held_out]
    for name, documents in found.items():
        if not documents:
            raise StageError("bad_data", f"task {task.name}: the {name} split has no document of its own")
    return found


def _documents(source: Path, name: str, task: TaskConfig) -> list[str]:
    documents: list[str] = []
    for path in split_files(source, name, (".txt", ".tab")):
        try:
            documents += _column(path, task) if path.suffix == ".tab" else [path.read_text(encoding="utf-8")]
        except UnicodeDecodeError as error:
            raise StageError("bad_data", f"{path.name}: {error}") from error
    return [text.strip() for text in documents if text.strip()]


def _column(path: Path, task: TaskConfig) -> list[str]:
    (names, *_), rows = read_tab(path)
    if task.text not in names:
        raise StageError("bad_data", f"{path.name}: no column '{task.text}' (task.text){nearest(task.text, names)}")
    place = names.index(task.text)
    return [row[place] for row in rows]
