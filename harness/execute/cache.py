"""The cache folder: environments, artefacts, sources and logs, all of which can be made again."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "HARNESS_CACHE"


def cache_folder() -> Path:
    """Return ``$HARNESS_CACHE``, else ``$XDG_CACHE_HOME/lowp-harness``, else ``~/.cache/lowp-harness``, absolute."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache").absolute() / "lowp-harness"
