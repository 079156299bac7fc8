"""A copy of the harness in which each timed forward pass takes longer by a known share: a change that must be found.

``python -m suites.evidence.slowed FOLDER --share 0.03`` writes it, and ``harness compare now code:FOLDER ...`` measures
this code and that one in turns.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.execute.process.import_closure import PACKAGE

_TIMED = "        output = forward(batch)\n"

#: The processor is kept busy meanwhile, as by more work, and not given away.
_SLOWER = """\
        spent = clock() - start
        while clock() - start < spent * {factor!r}:
            pass
"""


def write(folder: Path, share: float) -> Path:
    """Write the package into an empty or new folder, each timed pass longer by `share`; return the folder.

    Raises
    ------
    FileExistsError : the folder holds a package already.
    ValueError : the loop that times is not there as this knows it.
    """
    package = folder / PACKAGE.name
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    stopwatch = package / "worker" / "timing" / "stopwatch.py"
    text = stopwatch.read_text()
    if text.count(_TIMED) != 1:
        raise ValueError(f"{stopwatch}: want one line {_TIMED.strip()!r}")
    stopwatch.write_text(text.replace(_TIMED, _TIMED + _SLOWER.format(factor=1 + share)))
    return folder


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the copy."""
    parser = argparse.ArgumentParser(prog="python -m suites.evidence.slowed", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=0.03, help="0.03 is three percent, the default")
    chosen = parser.parse_args(arguments)
    print(write(chosen.folder, chosen.share))


if __name__ == "__main__":
    main()
