"""The cache folder: environments, artefacts, sources and logs, all of which can be made again."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path

from harness.errors import StageError, UserError

VARIABLE = "HARNESS_CACHE"

#: Below so much free disk an environment and its artefacts do not fit.
NEEDED_BYTES = 4 * 2**30

#: The folders in it that a run writes to. One of them may be a link to another place, or another's.
_FOLDERS = ("environments", "artefacts", "sources", "logs", "hub")

_FULL = (errno.ENOSPC, errno.EDQUOT)


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


def usable_cache() -> Path:
    """Return the cache folder, made if need be, once it is sure that a run can write to it.

    Else every cell would fail, each after as long as it takes to find out.

    Raises
    ------
    UserError : it cannot be written, or has too little room.
    """
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        for folder in (cache, *(cache / name for name in _FOLDERS)):
            if folder.exists():
                _try(folder)
        free = shutil.disk_usage(cache).free
    except OSError as error:
        raise _unwritable(cache, error) from error
    if free < NEEDED_BYTES:
        need, there = NEEDED_BYTES / 2**30, free / 2**30
        raise UserError(f"cache {cache}: {there:.1f} GiB free, want {need:.0f}; {VARIABLE} names another folder")
    return cache


def cache_error(error: OSError, cache: Path, what: str) -> StageError | UserError:
    """Return what an error is that came while `what` was written to the cache.

    A disk that is full is the failure of a cell, since another may have room; a cache that cannot be written any more
    ends the run, which goes on where it stopped once it can.
    """
    if error.errno in _FULL or _is_full(cache):
        return StageError("disk_full", f"{what}: {error}")
    return _unwritable(cache, error)


def _unwritable(cache: Path, error: OSError) -> UserError:
    where = error.filename or cache
    return UserError(
        f"cache {cache}: cannot be written ({where}: {error.strerror or error}); {VARIABLE} names another folder"
    )


def _try(folder: Path) -> None:
    """Write a file into a folder, as a run would, and remove it."""
    probe = folder / f".writable-{os.getpid()}"
    descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, bytes(4096))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
        probe.unlink(missing_ok=True)


def _is_full(cache: Path) -> bool:
    with contextlib.suppress(OSError):
        return shutil.disk_usage(cache).free < 2**20
    return False
