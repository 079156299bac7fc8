"""Runs a piece of a test in a backend environment's python, which the tests' own python has no framework of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness.config import emulation
from harness.config.schema import HostConfig
from harness.plan.catalogue import catalogue
from harness.plan.compose import options

REPOSITORY = Path(__file__).resolve().parents[1]

NATIVE = HostConfig(name="native")


def run_in(
    python: Path,
    source: str | Path,
    *args: Any,
    timeout_seconds: float = 600,
    backend: str | None = None,
    host: HostConfig = NATIVE,
) -> Any:
    """Run `source` (Python text, or the path of a file) in `python` and return what it prints last, as JSON.

    `args` arrive as the JSON list ``ARGS``. The repository's root is on the path. A `backend` adds the variables that
    its config sets for every child; `host` may have an emulated CPU.

    Raises
    ------
    AssertionError : with the end of its output, when it fails.
    """
    if isinstance(source, Path):
        source = source.read_text()
    program = f"import json, sys\nARGS = json.loads(sys.stdin.read())\n{source}"
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "OMP_WAIT_POLICY": "PASSIVE",
        "HF_HUB_OFFLINE": "1",
        **({} if backend is None else variables_of(backend)),
        "HF_HOME": str(Path(tempfile.gettempdir()) / f"harness-tests-hub-{os.getuid()}"),
        **emulation.variables(host),
    }
    finished = subprocess.run(
        [*emulation.prefix(host), str(python), "-c", program],
        input=json.dumps(args, default=str),
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        env=environment,
        cwd=REPOSITORY,
    )
    assert finished.returncode == 0, f"exit {finished.returncode}:\n{finished.stderr[-4000:]}"
    return json.loads(finished.stdout.strip().splitlines()[-1])


def program_text(test: str, name: str) -> str:
    """Return the text of the program `name`, which stands in the folder ``programs`` beside the file `test`."""
    return (Path(test).parent / "programs" / f"{name}.py").read_text(encoding="utf-8")


def variables_of(backend: str) -> dict[str, str]:
    """Return the variables that a backend's config sets for its children."""
    (option,) = options(catalogue(), "backend", backend, {})
    return dict(option.config.variables)


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


def built(name: str) -> str:
    """Build the environment `name` as a run would, if it is not at hand, and return its python."""
    finished = subprocess.run(
        [sys.executable, "-m", "harness", "env", "build", name],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=1800,
    )
    assert finished.returncode == 0, f"the environment {name} could not be built:\n{finished.stderr[-4000:]}"
    return finished.stdout.strip().splitlines()[-1]
