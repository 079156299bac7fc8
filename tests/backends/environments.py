"""The python of any backend environment, for tests."""

from __future__ import annotations

import os
from pathlib import Path

from tests.backend_env import built


def environment_python(name: str) -> Path:
    """Return the python of the environment `name`: the one that HARNESS_TEST_NAME_PYTHON names, else one built for it.

    Raises
    ------
    AssertionError : the variable names no file, or the environment cannot be built.
    """
    variable = f"HARNESS_TEST_{name.upper()}_PYTHON"
    named = os.environ.get(variable)
    if named:
        assert Path(named).exists(), f"{variable}={named}: no such file"
        return Path(named)
    return Path(built(name))
