"""Where configs and suites lie: a user's own folders first, then those shipped with the harness."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import harness
from harness.errors import UserError, nearest


@dataclass(frozen=True)
class Catalogue:
    """Folders that hold config groups (`conf`) and suites, the first found wins."""

    conf: tuple[Path, ...]
    suites: tuple[Path, ...]

    def names(self, group: str) -> list[str]:
        """Return the options of a config group, such as ``model``."""
        return sorted({path.stem for folder in self.conf for path in (folder / group).glob("*.yaml")})

    def require(self, group: str, name: str) -> Path:
        """Return the YAML of an option; UserError with the nearest name when there is none."""
        for folder in self.conf:
            path = folder / group / f"{name}.yaml"
            # A name that came with a record leads into no other folder.
            if path.parent == folder / group and "\0" not in name and path.is_file():
                return path
        raise UserError(f"{group}={name}: no such option{nearest(name, self.names(group))}")

    def suite(self, name: str) -> Path:
        """Return the file of a suite: a path that ends in .yaml, or a name in one of the folders."""
        if name.endswith((".yaml", ".yml")):
            path = Path(name)
            if path.is_file():
                return path
            raise UserError(f"suite={name}: no such file")
        for folder in self.suites:
            path = folder / f"{name}.yaml"
            if path.is_file():
                return path
        raise UserError(f"suite={name}: no such suite{nearest(name, self.suite_names())}")

    def suite_names(self) -> list[str]:
        """Return the names of all suites."""
        return sorted({path.stem for folder in self.suites for path in folder.glob("*.yaml")})


def catalogue(extra: Path | None = None) -> Catalogue:
    """Return the catalogue of `extra` (a folder with conf/ and suites/), the current folder, and what is shipped.

    Raises
    ------
    UserError : `extra` is no folder.
    """
    if extra is not None and not extra.is_dir():
        raise UserError(f"--project {extra}: no such folder")
    package = Path(harness.__file__).resolve().parent
    shipped = package / "_shipped" if (package / "_shipped").is_dir() else package.parent
    roots = [root.resolve() for root in (extra, Path.cwd(), shipped) if root is not None]
    roots = list(dict.fromkeys(roots))
    return Catalogue(
        conf=tuple(root / "conf" for root in roots if (root / "conf").is_dir()),
        suites=tuple(root / "suites" for root in roots if (root / "suites").is_dir()),
    )
