"""Which revision of the harness itself made a record."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any


def revision(folder: Path) -> dict[str, Any]:
    """Return ``{"revision", "dirty"}`` of the git checkout at `folder`; both None where there is none."""
    head = _git(folder, "rev-parse", "HEAD")
    # A checkout that merely lies inside another repository is not that repository's revision.
    top = _git(folder, "rev-parse", "--show-toplevel")
    if head is None or top is None or Path(top) != folder.resolve():
        return {"revision": None, "dirty": None}
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", "harness", "conf", "suites")
    return {"revision": head, "dirty": None if changed is None else bool(changed)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        finished = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return finished.stdout.strip() if finished.returncode == 0 else None
