"""Finds the reader that a task names, and says what its rows hold.

A reader's file offers ``read(source, task)``. Where its rows have a column ``image`` instead of ``text``, it says so by
``MODALITY = "image"``.
"""

from __future__ import annotations

import functools
from types import ModuleType

from harness import registry


def reader(name: str) -> ModuleType:
    """Return the module whose `read` a task names, of this folder or a plugin; ``bad_config`` when there is none."""
    return registry.READERS.module(name)


@functools.cache
def modality(name: str) -> str:
    """Return what the rows of the reader `name` hold, ``text`` or ``image``; ``bad_config`` when there is none."""
    return getattr(reader(name), "MODALITY", "text")
