"""Hydra's compositions, each made once by a test process: one takes a tenth of a second, and a plan needs a dozen."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.plan.catalogue import Catalogue
from tests.backend_env import REPOSITORY

_SHIPPED = REPOSITORY / "conf"

Compose = Callable[[Catalogue, str, str], dict[str, Any]]


def remembered(original: Compose) -> Compose:
    """Return a function that gives what `original` does, without asking it twice about the same files.

    What is refused is asked anew each time.
    """
    kept: dict[Any, dict[str, Any]] = {}

    def composed(catalogue: Catalogue, group: str, name: str) -> dict[str, Any]:
        key = (group, name, tuple((folder, _content(folder)) for folder in catalogue.conf))
        if key not in kept:
            kept[key] = original(catalogue, group, name)
        return copy.deepcopy(kept[key])

    return composed


def _content(folder: Path) -> Any:
    """Return what tells a folder of a test from what it was before; nobody changes the one that is shipped."""
    if folder == _SHIPPED:
        return None
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple((path, path.read_bytes()) for path in files if path.stat().st_size < 2**17)
