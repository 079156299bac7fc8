"""Files that appear whole or not at all, and are on the disk when their writer says so."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from harness.errors import StageError, UserError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def publish(path: Path, content: bytes) -> int | None:
    """Make a new file that appears whole or not at all; return its locked descriptor, None if it is there already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as undo:
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        undo.callback(os.close, folder)
        # With the folder locked one temporary name is enough, and what a killed process left there is used again.
        fcntl.flock(folder, fcntl.LOCK_EX)
        if path.exists():
            return None
        temporary = path.parent / ".new"
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
        failed = undo.enter_context(contextlib.ExitStack())
        failed.callback(os.close, descriptor)
        failed.callback(temporary.unlink, missing_ok=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        write(descriptor, content)
        temporary.rename(path)
        os.fsync(folder)
        failed.pop_all()
    return descriptor


def write(descriptor: int, content: bytes) -> None:
    """Write everything and wait until it is on the disk."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)


@contextlib.contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Give the operating system's errors the form of ours.

    Raises
    ------
    StageError : ``disk_full``.
    UserError : the file cannot be written for another reason.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            hint = "free some space, then the same command goes on where this one stopped"
            raise StageError("disk_full", f"{path}: {error.strerror}; {hint}") from error
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give the path of a new file that takes the place of `path` when the body has written it; else nothing changes.

    What lies at `path` is not written to: it may be a link that leads out of the folder.

    Raises
    ------
    OSError : the folder cannot be written, or `path` is a folder, a pipe or a device.
    """
    require_regular(path)
    new = path.with_name(f".new-{os.getpid()}{path.suffix}")
    # What a killed process of this number has left, or somebody's link; then made here, so that no link is followed.
    new.unlink(missing_ok=True)
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
    try:
        yield new
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def require_regular(path: Path) -> None:
    """Refuse a folder, a pipe and a device, which may have no end; whether a file is there shows when it is read.

    Raises
    ------
    OSError : it is there, and is no regular file.
    """
    if not path.is_file() and path.exists():
        raise OSError(errno.EINVAL, "is no regular file", str(path))


def content(path: Path) -> bytes:
    """Return what a file holds.

    Raises
    ------
    OSError : it is no regular file, or cannot be read.
    """
    require_regular(path)
    return path.read_bytes()


def save(path: Path, text: str) -> Path:
    """Write a file unless it is there, and return it.

    Raises
    ------
    StageError, UserError : as :func:`named_errors`.
    """
    if not path.exists():
        with named_errors(path):
            descriptor = publish(path, text.encode())
            if descriptor is not None:
                os.close(descriptor)
    return path


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Give what the operating system says of a file that cannot be read the form of our errors.

    Raises
    ------
    UserError : it cannot be read.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def is_file(path: Path) -> bool:
    """Say whether a path is that of a file; no name, however long or odd, is an error."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Say whether a path is that of a folder; as :func:`is_file`."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False
