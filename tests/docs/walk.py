"""Follows a page as a reader would: writes the files that it shows, and runs its command blocks in their order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import REPOSITORY, Block, blocks

#: Commands whose exit status is a verdict: 1 a gate failed, 4 something is undecided. Both are answers, not faults.
_VERDICTS = ("run", "compare", "aa", "trend", "rerun")


def write_files(page: Path, folder: Path) -> list[str]:
    """Write all files that a page shows below `folder`; return their names."""
    found = [block for block in blocks(page.read_text(encoding="utf-8")) if block.file is not None]
    for block in found:
        _write(block, folder)
    return [str(block.file) for block in found]


def follow(page: Path, folder: Path, timeout_seconds: float, only: tuple[str, ...] = ("",)) -> int:
    """Write each file and run each command of a page's ``bash`` blocks, in their order; return how many ran.

    Parameters
    ----------
    folder : the reader's.
    timeout_seconds : of one command.
    only : beginnings of the commands that are run.

    Raises
    ------
    AssertionError : a command ended otherwise than a reader should see it, with the end of its output.
    """
    count = 0
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.file is not None:
            _write(block, folder)
        elif block.language == "bash" and block.why_not is None:
            for command in commands(block.text):
                if command.startswith(only):
                    _run(command, folder, timeout_seconds)
                    count += 1
    return count


def commands(text: str) -> list[str]:
    """Return the commands of a block, lines that end in a backslash joined, without comments alone on a line."""
    joined = text.replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.strip().startswith("#")]


def _write(block: Block, folder: Path) -> None:
    path = folder / str(block.file)
    assert path.resolve().is_relative_to(folder.resolve()), block.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")


def _run(command: str, folder: Path, timeout_seconds: float) -> None:
    scripts = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
    }
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout_seconds
    )
    words = command.split()
    verdict = words[:1] == ["harness"] and words[1] in _VERDICTS
    assert done.returncode in ((0, 1, 4) if verdict else (0,)), (
        f"{command}: exit status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    )
