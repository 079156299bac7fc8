"""Finds the module that a config names among those of one folder of the package."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from harness.errors import StageError, nearest


def module(folder: str, name: str, *, function: str, field: str) -> ModuleType:
    """Return ``harness.FOLDER.NAME`` if its file offers `function`.

    Raises
    ------
    StageError : ``bad_config``, naming `field` and the nearest valid name.
    """
    files = (Path(__file__).parent / folder).glob("*.py")
    there = [path.stem for path in files if f"\ndef {function}(" in path.read_text(encoding="utf-8")]
    if name not in there:
        raise StageError("bad_config", f"{field}: no '{name}'{nearest(name, there)}")
    return importlib.import_module(f"harness.{folder}.{name}")
