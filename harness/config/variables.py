"""Which environment variables a config may set for a cell's processes.

A config may have come with a record, or in somebody else's project. A variable can load a library or run a file when a
process starts (``LD_PRELOAD``, ``PYTHONPATH``, ``OMP_TOOL_LIBRARIES``), or have a framework take code from a folder. So
each backend names the beginnings of the variables that it takes, and none of them names a path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from harness.errors import UserError

#: What every backend takes: threads, kernels and memory.
COMMON = ("OMP_", "KMP_", "GOMP_", "MKL_", "ONEDNN_", "DNNL_", "OPENBLAS_", "MALLOC_", "GLIBC_TUNABLES")

#: What torch takes besides; backends that only export with it take it too.
TORCH = ("ATEN_", "FBGEMM_", "TORCH_")

#: What no config may set, not even that of an environment.
_NEVER = re.compile(r"PATH|PYTHON\w*|LD_\w+|HOME|ENV|BASH_ENV|IFS|GCONV_PATH|(HARNESS|PIP|UV|GIT)_\w+", re.IGNORECASE)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

#: Words of a variable's name whose value is a file or a folder: libraries that are loaded, code that is kept, logs.
_OF_PATHS = {
    *("DIR", "DIRS", "DIRECTORY", "FOLDER", "PATH", "PATHS", "FILE", "FILES", "FILENAME", "HOME", "ROOT", "LOCATION"),
    *("LIB", "LIBS", "LIBRARY", "LIBRARIES", "PLUGIN", "PLUGINS", "EXTENSION", "EXTENSIONS", "TOOL", "TOOLS"),
    *("CACHE", "OUT", "OUTPUT", "DUMP", "TRACE"),
}

#: Enough for bindings of threads, tunables and names of instruction sets. No slash, so no path.
_VALUE = re.compile(r"[A-Za-z0-9_.,:;=+*%(){}\[\] -]*")


def require_allowed(variables: Mapping[str, str], prefixes: Sequence[str], where: str, whose: str) -> None:
    """Raise UserError for the first variable that begins with none of `prefixes`, or whose value may be a path.

    Parameters
    ----------
    where : the field that holds the variables.
    whose : what takes them, such as ``backend fx``.
    """
    require_names(variables, where)
    for name, value in variables.items():
        if not name.startswith(tuple(prefixes)):
            listed = ", ".join(prefixes)
            raise UserError(f"{where}: {whose} takes no variable {name[:40]}; want one that begins with {listed}")
        if _OF_PATHS.intersection(name.upper().split("_")) or not _VALUE.fullmatch(value):
            raise UserError(f"{where}: {name[:40]}={value[:40]!r} may name a file or a folder, which no config may")


def require_names(variables: Mapping[str, str], where: str) -> None:
    """Raise UserError for what cannot be a variable's name, and for one that decides which code every process runs."""
    for name, value in variables.items():
        if not _NAME.fullmatch(name) or "\0" in value:
            raise UserError(
                f"{where}: {name[:40]!r} is no variable; want NAME: VALUE, the name of letters, digits and _"
            )
        if _NEVER.fullmatch(name):
            raise UserError(f"{where}: {name[:40]} decides which code a process runs, so no config may set it")
