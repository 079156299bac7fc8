"""Finds the file of a split inside a source, and says clearly what is there when it is not."""

from __future__ import annotations

import glob
from pathlib import Path

from harness.errors import StageError, nearest


def split_files(source: Path, name: str, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files that hold the split `name` of `source`, sorted by name.

    Parameters
    ----------
    source : a file, which is then the split itself unless `name` names a file beside it; or a folder.
    name : a file name; or a stem, so that ``train`` finds ``train.csv`` and the shards ``train-00000-of-2.parquet``.
    suffixes : the endings a stem may have, such as ``.csv``.

    Raises
    ------
    StageError : ``missing_file``, with the nearest name that is there.
    """
    try:
        return _split_files(source, name, suffixes)
    except OSError as error:  # a name that is too long, or a folder that may not be read
        raise StageError("missing_file", f"{source}: split '{name}': {error.strerror}") from error


def _split_files(source: Path, name: str, suffixes: tuple[str, ...]) -> list[Path]:
    _require_there(source)
    if not source.exists():
        raise StageError("missing_file", f"{source}: no such file or folder{beside(source)}")
    folder = source if source.is_dir() else source.parent
    if (folder / name).is_file():
        return [folder / name]
    # What is no relative path would be no pattern either.
    stem = "" if Path(name).is_absolute() else glob.escape(name)
    patterns = [pattern + suffix for suffix in suffixes for pattern in (stem, f"{stem}-*") if stem]
    for place in (folder, folder / "data"):
        for pattern in patterns if place.is_dir() else ():
            found = sorted(path for path in place.glob(pattern) if path.is_file())
            if found and source.is_dir():
                return found
    if source.is_file() and name == "train":
        return [source]
    for place in (folder / name, source):
        require_ordinary(place)
    there = [path.name for path in folder.iterdir() if path.is_file()]
    raise StageError("missing_file", f"{folder}: no file for the split '{name}'{nearest(name, there)}")


def _require_there(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise StageError("missing_file", f"{path}: a link that leads nowhere, to {path.readlink()}")


def require_ordinary(path: Path) -> None:
    """Raise ``missing_file`` for what is there and neither a regular file nor a folder: a device, a pipe, a socket.

    Reading such may never end.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise StageError("missing_file", f"{path}: is no regular file; want a file or a folder")


def beside(path: Path) -> str:
    """Return the nearest name beside a path that is not there, as a message ends with it."""
    try:
        return nearest(path.name, [item.name for item in path.parent.iterdir()])
    except OSError:
        return ""


def existing(named: str, where: str) -> Path:
    """Return the absolute path of what a config names, which is there and can be looked at; `where` names the field.

    Raises
    ------
    StageError : ``missing_file``, with the nearest name beside it.
    """
    try:
        path = Path(named).expanduser().absolute()
        path.stat()
    except FileNotFoundError as error:
        _require_there(path)
        raise StageError("missing_file", f"{where}{path}: no such file or folder{beside(path)}") from error
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL in it, no such user's home
        because = error.strerror if isinstance(error, OSError) else str(error)
        raise StageError("missing_file", f"{where}{named}: {because}") from error
    require_ordinary(path)
    return path
