"""What a built environment says of itself: its marker, and its files with their sizes, so that damage is seen."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.execute.environments.pins import normal

MARKER = "complete.json"

#: The files of an environment with their sizes, one a line.
FILES = "files.txt"


@dataclass(frozen=True)
class Marker:
    """Written when an environment is whole.

    `size_bytes` is of its files, also those that it shares with others; `note` is what a user should know of it;
    `files` is how many :func:`damage` compares.
    """

    name: str
    lock: str
    size_bytes: int
    note: str | None = None
    files: int | None = None


def read(folder: Path) -> Marker | None:
    """Return the marker of an environment; None where there is none, or what is there is none of this harness's."""
    try:
        found = json.loads((folder / MARKER).read_text())
        fields = {name: found.get(name) for name in Marker.__dataclass_fields__}
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    texts = all(isinstance(fields[name], str) for name in ("name", "lock"))
    optional = isinstance(fields["note"], str | None) and isinstance(fields["files"], int | None)
    return Marker(**fields) if texts and optional and isinstance(fields["size_bytes"], int) else None


def write(folder: Path, name: str, lock_hash: str, note: str | None) -> None:
    """Write down each file of a built environment with its size, then the marker.

    A wheel's own RECORD does not serve: some wheels are published with sizes that are not those of their files.
    Compiled files are left out: they are made anew.
    """
    lines, total = [], 0
    for path in folder.rglob("*"):
        size = path.lstat().st_size
        total += size
        if path.is_file() and not path.is_symlink() and path.suffix != ".pyc":
            lines.append(f"{size}\t{path.relative_to(folder)}\n")
    (folder / FILES).write_text("".join(lines), errors="surrogateescape")
    new = folder / f"{MARKER}.new"
    with new.open("w") as stream:
        json.dump(asdict(Marker(name, lock_hash, total, note, len(lines))), stream)
        stream.flush()
        os.fsync(stream.fileno())
    new.rename(folder / MARKER)


def damage(folder: Path, marker: Marker) -> str | None:
    """Return what of a built environment is gone or has another size, or None."""
    # The python is a link to the one that it was made with, which may have been removed since.
    if not (folder / "bin" / "python").exists():
        return "its python is gone"
    try:
        lines = _lines(folder)
    except OSError:
        return f"{FILES}, the list of its files, is gone or was never written (by an older harness)"
    if marker.files not in (None, len(lines)):
        return f"{FILES}, the list of its files, is cut off"
    name = next((name for name, wanted, found in _sizes(folder, lines) if wanted != found), None)
    return None if name is None else f"{name} is gone or has another size"


def changed_packages(folder: Path) -> list[str]:
    """Return the packages of which a file is there but has another size: whatever shares that file is changed too."""
    try:
        changed = {name for name, wanted, found in _sizes(folder, _lines(folder)) if found not in (None, wanted)}
    except OSError:
        return []
    return sorted({package for package, name in _owners(folder) if name in changed} if changed else ())


def _lines(folder: Path) -> list[str]:
    return (folder / FILES).read_text(errors="surrogateescape").split("\n")[:-1]


def _sizes(folder: Path, lines: Iterable[str]) -> Iterator[tuple[str, str, str | None]]:
    """Yield the name of each listed file, its size as listed, and its size as it is; None for one that is gone."""
    for line in lines:
        size, _, name = line.partition("\t")
        try:
            # Of 25,000 files; a Path for each would take several times as long.
            found = str(os.stat(f"{folder}/{name}").st_size)  # noqa: PTH116
        except (OSError, ValueError):
            found = None
        yield name, size, found


def _owners(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (package, file) of all packages, the files relative to the environment."""
    for record in folder.glob("lib/python*/site-packages/*.dist-info/RECORD"):
        package = normal(record.parent.name.split("-")[0])
        places = record.parent.parent.relative_to(folder)
        try:
            rows = list(csv.reader(record.read_text(errors="surrogateescape").splitlines()))
        except (OSError, csv.Error):
            rows = []
        for row in filter(None, rows):
            yield package, os.path.normpath(places / row[0])
        yield package, str(record.relative_to(folder))
