"""Gives children the harness's package, and nothing that lies beside it.

Installed from a wheel, the package lies among the parent's own packages. A child with that folder on its path would
import the parent's numpy, built for the parent's Python, in the place of the one that its environment pins.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path


@functools.cache
def alone(package: Path) -> Path:
    """Return a folder that holds a link to `package` and nothing else, until this process ends.

    Raises
    ------
    OSError : the folder for temporary files cannot be written.
    """
    folder = Path(tempfile.mkdtemp(prefix="lowp-harness-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / package.name).symlink_to(package.resolve(), target_is_directory=True)
    return folder
