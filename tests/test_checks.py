"""The checks of code that CONTRIBUTING.md and .pre-commit-config.yaml name: each must pass, and fail over a mistake."""

from __future__ import annotations

import subprocess
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: As .pre-commit-config.yaml has them.
CHECKS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",), ("lint-imports",))

#: mypy takes half a minute where it has no cache, as on a new clone, and half a second where it has one.
_SLOW = ("mypy",)


def run(command: tuple[str, ...], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a tool that is installed beside this Python; what it says is on one stream."""
    tool, *arguments = command
    path = Path(sysconfig.get_path("scripts")) / tool
    assert path.exists(), f"{tool} is not installed; want the extra 'test' of pyproject.toml"
    return subprocess.run(
        [path, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


@pytest.mark.parametrize(
    "command",
    [pytest.param(one, id=" ".join(one), marks=[pytest.mark.slow] if one == _SLOW else []) for one in CHECKS],
)
def test_the_code_passes(command: tuple[str, ...]) -> None:
    finished = run(command, ROOT)
    assert finished.returncode == 0, f"{' '.join(command)}:\n{finished.stdout}"


@pytest.mark.parametrize("command", CHECKS, ids=" ".join)
def test_git_runs_the_same_before_a_commit(command: tuple[str, ...]) -> None:
    assert f"entry: {' '.join(command)}\n" in (ROOT / ".pre-commit-config.yaml").read_text()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A tree with our settings and a package that has our name, and nothing in it."""
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for folder in ("harness", "harness/stats", "harness/backends"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("room", "line", "code"),
    [
        ("stats", "def shape(values): return values.shape", "no-untyped-def"),
        ("stats", "def first(values: list) -> None: ...", "type-arg"),
        ("backends", "def shape(values): return values.shape", "no-untyped-def"),
        ("backends", "def half(value: int | None) -> float: return value / 2", "operator"),
        ("backends", "import nowhere", "import-not-found"),
    ],
)
def test_types_that_are_missing_or_wrong_are_found(package: Path, room: str, line: str, code: str) -> None:
    (package / "harness" / room / "mistaken.py").write_text(f"{line}\n")
    finished = run(("mypy", "--cache-dir", str(package / "cache")), package)
    assert finished.returncode == 1
    assert f"{room}/mistaken.py:1: error:" in finished.stdout and f"[{code}]" in finished.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "import torch, tensorflow, openvino",
        "import torch\n\ndef first(values: torch.Tensor) -> float: return values[0]",
    ],
)
def test_backends_may_use_frameworks_that_have_no_types_or_are_not_installed(package: Path, line: str) -> None:
    (package / "harness/backends/fine.py").write_text(f"{line}\n")
    finished = run(("mypy", "--cache-dir", str(package / "cache")), package)
    assert finished.returncode == 0, finished.stdout


def test_the_wheel_has_every_suite_and_nothing_that_stands_beside_them() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    suites = {str(path.relative_to(ROOT)) for path in (ROOT / "suites").glob("*.yaml")}
    assert {name for name in included if name.startswith("suites")} == suites
    assert {included[name] for name in suites} == {f"harness/_shipped/{name}" for name in suites}
