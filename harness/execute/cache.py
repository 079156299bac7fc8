"""The cache folder: environments, artefacts, sources and logs, all of which can be made again."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import UserError

VARIABLE = "HARNESS_CACHE"


def cache_folder() -> Path:
    """Return ``$HARNESS_CACHE``, else ``$XDG_CACHE_HOME/lowp-harness``, else ``~/.cache/lowp-harness``, absolute.

    Raises
    ------
    UserError : none of them is set, and the user has no home folder.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache").absolute() / "lowp-harness"
    except RuntimeError as error:
        raise UserError(f"this user has no home folder for the cache; {VARIABLE} names another folder") from error
