"""Files of plugins for tests: the least that makes one, where they lie, and whether one has run."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.__main__ import main
from harness.registry import BACKENDS, METRICS, MODELS, READERS, SEARCHES

METRIC = """
from pathlib import Path
from harness.metrics.base import Metric

Path(__file__).with_suffix(".ran").touch()


def share_of_zeros(predictions, references):
    return (predictions == 0).mean(axis=-1)


METRIC = Metric(kind="classification", values=share_of_zeros, percent=True)
"""

#: Of each kind, the least that a file of it holds.
LEAST = {
    BACKENDS: "from harness.backends.eager.backend import Backend as Eager\n\n\nclass Backend(Eager):\n    pass\n",
    MODELS: "def load(folder, model, *, labels, seed, fixed=False):\n    return None\n",
    READERS: "def read(source, task):\n    return {}\n",
    METRICS: METRIC,
    SEARCHES: "def search(trials, recipes):\n    pass\n",
}

PLAN = ("plan", "suite=quickstart", "task=sentiment", "approach=fp32", "backend=eager")


def plugin(project: Path, name: str, text: str = METRIC) -> Path:
    """Write a file of a project's plugins and return it."""
    file = project / "plugins" / f"{name}.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def configure(project: Path, backend: str) -> Path:
    """Write the config of a backend of the project and return its file."""
    file = project / "conf" / "backend" / f"{backend}.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(f"name: {backend}\nenvironment: torch\n")
    return file


def has_run(file: Path) -> bool:
    """Say whether a plugin whose text is :data:`METRIC` has run."""
    return file.with_suffix(".ran").exists()


def line_of(arguments: list[str], capsys: pytest.CaptureFixture[str], status: int = 2) -> str:
    """Return the one line with which a command ends, whose exit status must be this."""
    assert main(arguments) == status
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    return line
