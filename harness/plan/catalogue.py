"""Where configs and suites lie: a user's own folders first, then those shipped with the harness."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

import harness
from harness.errors import UserError, nearest, shown
from harness.results.files import is_file

#: Characters of a file's name without its suffix, below what any file system takes.
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Catalogue:
    """Folders that hold config groups (`conf`) and suites, the first found wins; `has_project`: one is the user's."""

    conf: tuple[Path, ...]
    suites: tuple[Path, ...]
    has_project: bool = False

    def names(self, group: str) -> list[str]:
        """Return the options of a config group, such as ``model``."""
        return sorted({path.stem for folder in self.conf for path in (folder / group).glob("*.yaml")})

    def require(self, group: str, name: str) -> Path:
        """Return the YAML of an option; UserError with the nearest name when there is none."""
        for folder in self.conf if _is_name(name) else ():
            path = folder / group / f"{name}.yaml"
            if is_file(path):
                return path
        # Only a name that is near to none of these may be an option that stands elsewhere.
        is_near = bool(difflib.get_close_matches(name, self.names(group), n=1, cutoff=0.75))
        hint = "" if is_near or self.has_project else "; those of a project of yours want --project DIR"
        raise UserError(f"{group}={shown(name)}: no such option{nearest(name, self.names(group))}{hint}")

    def suite(self, name: str) -> Path:
        """Return the file of a suite: a path that ends in .yaml, or a name in one of the folders."""
        if name.endswith((".yaml", ".yml")):
            path = Path(name)
            if is_file(path):
                return path
            raise UserError(f"suite={shown(name)}: no such file")
        for folder in self.suites if _is_name(name) else ():
            path = folder / f"{name}.yaml"
            if is_file(path):
                return path
        raise UserError(f"suite={shown(name)}: no such suite{nearest(name, self.suite_names())}")

    def suite_names(self) -> list[str]:
        """Return the names of all suites."""
        return sorted({path.stem for folder in self.suites for path in folder.glob("*.yaml")})


def _is_name(name: str) -> bool:
    """Say whether a name is one, and no path that leads out of the folder."""
    return bool(name) and "/" not in name and len(name) <= _LONGEST_NAME


def catalogue(extra: Path | None = None) -> Catalogue:
    """Return the catalogue of `extra` (a folder with conf/ and suites/), the current folder, and what is shipped.

    Raises
    ------
    UserError : `extra` is no folder, or the current folder has been removed.
    """
    if extra is not None and not extra.is_dir():
        raise UserError(f"--project {extra}: no such folder")
    package = Path(harness.__file__).resolve().parent
    shipped = package / "_shipped" if (package / "_shipped").is_dir() else package.parent
    try:
        here = Path.cwd()
    except FileNotFoundError as error:
        raise UserError("the current folder is not there any more; change to another one") from error
    roots = [root.resolve() for root in (extra, here, shipped) if root is not None]
    roots = list(dict.fromkeys(roots))
    return Catalogue(
        conf=tuple(root / "conf" for root in roots if (root / "conf").is_dir()),
        suites=tuple(root / "suites" for root in roots if (root / "suites").is_dir()),
        has_project=extra is not None,
    )
