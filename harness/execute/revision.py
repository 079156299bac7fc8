"""Which revision of the harness itself made a record."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any


def revision(folder: Path) -> dict[str, Any]:
    """Return ``{"revision", "dirty"}`` of the git checkout at `folder`; both None where there is none.

    Dirty is a checkout whose code, configs or suites are not those of the revision. A file that git does not track
    counts too: it is imported, or composed into a run, like any other.
    """
    head = _git(folder, "rev-parse", "HEAD")
    # A checkout that merely lies inside another repository is not that repository's revision.
    top = _git(folder, "rev-parse", "--show-toplevel")
    if head is None or top is None or Path(top) != folder.resolve():
        return {"revision": None, "dirty": None}
    changed = _git(folder, "status", "--porcelain", "--untracked-files=normal", "--", "harness", "conf", "suites")
    return {"revision": head, "dirty": None if changed is None else bool(changed)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        finished = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return finished.stdout.strip() if finished.returncode == 0 else None
