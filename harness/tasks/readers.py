"""Finds the reader that a task names, and says what its rows hold.

A reader's file offers ``read(source, task)``. Where its rows have a column ``image`` instead of ``text``, it says so by
``MODALITY = "image"``.
"""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from types import ModuleType

from harness.errors import StageError, nearest


def reader(name: str) -> ModuleType:
    """Return the module of this folder that has the `read` a task names; ``bad_config`` when there is none."""
    there = [path.stem for path in Path(__file__).parent.glob("*.py") if "\ndef read(" in path.read_text()]
    if name not in there:
        raise StageError("bad_config", f"task.reader: no '{name}'{nearest(name, there)}")
    return importlib.import_module(f"harness.tasks.{name}")


@functools.cache
def modality(name: str) -> str:
    """Return what the rows of the reader `name` hold, ``text`` or ``image``; ``bad_config`` when there is none."""
    return getattr(reader(name), "MODALITY", "text")
