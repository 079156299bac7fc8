"""Takes the absolute paths of this machine out of what goes into the results.

They tell who works where, and mean nothing elsewhere. What lies below a folder that the harness knows is named from
there: ``<cache>/logs/...``, ``<project>/data/...``, ``<code>/harness/...``, ``<results>/...``, ``~/...``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

#: What a path may begin behind: no part of another path, but an option of a compiler or a linker.
_BEFORE = r"(?:(?<![\w.\-~/])|(?<=://)|(?<=\s-[A-Za-z]))"

#: And end before: no more of the name of a folder.
_AFTER = r"(?![\w\-]|\.\w)"


def shortener(folders: Iterable[tuple[str, Path]]) -> Callable[[str], str]:
    """Return a function that writes paths below some folders, as they stand in a text, from these folders.

    Parameters
    ----------
    folders : what each is called, and where it is; the innermost that holds a path counts, of equal ones the first.
    """
    names: dict[str, str] = {}
    for name, folder in folders:
        for path in (folder.absolute(), _resolved(folder)):
            if len(path.parts) > 1:  # the root of the file system holds everything and tells nothing
                names.setdefault(str(path), name)
    if not names:
        return lambda text: text
    longest_first = sorted(names, key=len, reverse=True)
    pattern = re.compile(f"{_BEFORE}({'|'.join(map(re.escape, longest_first))}){_AFTER}")
    return lambda text: pattern.sub(lambda found: names[found[1]], text)


def _resolved(folder: Path) -> Path:
    try:
        return folder.resolve()
    except (OSError, RuntimeError):  # a link that leads to itself
        return folder.absolute()


def home() -> list[tuple[str, Path]]:
    """Return the user's home folder by its name, where there is one."""
    try:
        return [("~", Path.home())]
    except RuntimeError:
        return []
