"""Which revision of the harness itself made a record."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

#: Variables that point git to another repository than that of a folder (``git rev-parse --local-env-vars``), as they
#: are set in a hook; and such as bound its search for one.
_OF_ANOTHER = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"),
    *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE"),
    *("GIT_REPLACE_REF_BASE", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT", "GIT_CEILING_DIRECTORIES"),
)


def revision(folder: Path) -> dict[str, Any]:
    """Return ``{"revision", "dirty"}`` of the git checkout at `folder`; None for what git cannot tell.

    Dirty is a checkout whose code, configs or suites are not those of the revision. A file that git does not track
    counts too: it is imported, or composed into a run, like any other.
    """
    top = git(folder, "rev-parse", "--show-toplevel")
    head = git(folder, "rev-parse", "--verify", "HEAD")
    # A checkout that merely lies around the folder, such as that of a project whose environment this is, is another's.
    if head is None or top is None or Path(os.fsdecode(top.removesuffix(b"\n"))) != folder.resolve():
        return {"revision": None, "dirty": None}
    changed = git(folder, "status", "--porcelain", "--untracked-files=normal", "--", "harness", "conf", "suites")
    return {"revision": head.decode().strip(), "dirty": None if changed is None else bool(changed)}


def git(folder: Path, *arguments: str) -> bytes | None:
    """Return what git prints of the repository at `folder`; None where there is no git, or it fails.

    A checkout that belongs to somebody else is read all the same: its code is what runs now. What its configuration
    would start is not started, and nothing is written into it.
    """
    settings = (f"safe.directory={folder.resolve()}", "core.fsmonitor=false", "core.hooksPath=/dev/null")
    command = ["git", "--no-optional-locks", *(word for one in settings for word in ("-c", one)), "-C", str(folder)]
    variables = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER}
    try:
        finished = subprocess.run([*command, *arguments], capture_output=True, check=False, env=variables)
    except OSError:  # none on the PATH, or one that may not be run
        return None
    return finished.stdout if finished.returncode == 0 else None
