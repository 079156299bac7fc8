"""Installs a lock's packages into a new virtual environment: with uv, whose files environments share, or with pip.

pip stays the fallback: what works with pip must work here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError, nearest
from harness.execute.environments import pins, pip_settings, tool

#: Which installer is used: that one alone, or, unless it is set, uv where it is at hand and then pip.
VARIABLE = "HARNESS_INSTALLER"
INSTALLERS = ("uv", "pip")

#: Said of an environment whose torch could only be had with CUDA libraries that nothing here uses.
CUDA_NOTE = "torch with CUDA libraries: no CPU build of it could be reached"

#: For the question alone whether torch's own index can be reached: behind a firewall the answer never comes.
_ASK_ONCE = {"UV_HTTP_RETRIES": "1", "UV_HTTP_CONNECT_TIMEOUT": "5"}

Step = Callable[..., tool.Finished]


@dataclass(frozen=True)
class Choice:
    """Which installer is used: `uv` is its program where it is installed; `named` is what the person names, or None."""

    uv: Path | None
    named: str | None


def choose() -> Choice:
    """Return what there is to install with, and which of it a person wants. Asked in one thread only.

    Raises
    ------
    UserError : the variable ``HARNESS_INSTALLER`` names none, or uv where it is not installed.
    """
    choice = Choice(_uv_program(), os.environ.get(VARIABLE) or None)
    if choice.named is not None and choice.named not in INSTALLERS:
        raise UserError(f"{VARIABLE}={choice.named}: want uv or pip{nearest(choice.named, INSTALLERS)}")
    if choice.named == "uv" and choice.uv is None:
        raise UserError(f"{VARIABLE}=uv: uv is not installed beside this harness; install it, or want pip")
    return choice


def _uv_program() -> Path | None:
    try:
        from uv import find_uv_bin

        # It asks sysconfig, which fills itself in at its first question and answers None to other threads meanwhile.
        return Path(find_uv_bin())
    except (ImportError, FileNotFoundError):
        return None


@dataclass(frozen=True)
class Target:
    """What is installed where: `no_deps` are pins that are installed behind the lock, without what they depend on.

    `base` is the python that the environment in `folder` is made with. `cache` is uv's folder; it lies on the file
    system of `folder`, or no file could be shared.
    """

    base: Path
    folder: Path
    lock: Path
    no_deps: tuple[str, ...]
    cache: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"


def with_uv(uv: Path, target: Target, step: Step, tools: tool.Tools) -> None:
    """Make the environment and install into it with uv, from where pip's own settings say.

    Parameters
    ----------
    step : runs a command and raises StageError when it fails, unless it is told ``may_fail=True``.
    """
    settings = pip_settings.read(tools)
    step(uv, "venv", "--quiet", "--no-config", "--cache-dir", target.cache, "--python", target.base, target.folder)
    command = (uv, "pip", "install", "--python", target.python, "--cache-dir", target.cache, "--no-progress")

    def install(*arguments: str | Path, variables: Mapping[str, str] | None = None, **more: object) -> tool.Finished:
        variables = {**settings.variables, **(variables or {})}
        return step(*command, *settings.options, *arguments, variables=variables, **more)

    install(*_torch_backend(target.lock, settings, install), "-r", target.lock)
    alone = () if "--no-deps" in settings.options else ("--no-deps",)  # uv takes it once
    for pin in target.no_deps:
        install(*alone, pin)


def _torch_backend(lock: Path, settings: pip_settings.Settings, install: Step) -> tuple[str, ...]:
    """Return uv's option for torch's own CPU index where that has the CPU build which the places of pip lack."""
    # A hash names one build, and whoever has chosen torch's index themselves is not asked again.
    decided = "--hash" in lock.read_text() or settings.no_index or bool(os.environ.get("UV_TORCH_BACKEND"))
    if decided or not has_torch(lock):
        return ()
    plan = install("--dry-run", "-r", lock, may_fail=True)
    if plan.code == 0 and not _torch_of(plan, r"(?!\S*\+cpu)"):
        return ()
    asked = ("--torch-backend=cpu",)
    return asked if _torch_of(install("--dry-run", *asked, "-r", lock, may_fail=True, variables=_ASK_ONCE)) else ()


def _torch_of(plan: tool.Finished, version: str = "") -> bool:
    """Say whether uv would install a torch whose version begins so."""
    return plan.code == 0 and any(re.match(rf"\s*\+ torch=={version}", line) for line in plan.lines)


def with_pip(target: Target, step: Step) -> None:
    """Make the environment and install into it with a pip of its own, which takes minutes."""
    step(target.base, "-m", "venv", target.folder)
    command = (target.python, "-m", "pip", "install", "--progress-bar=off", "--disable-pip-version-check")
    step(*command, "-r", target.lock)
    for pin in target.no_deps:
        step(*command, "--no-deps", pin)


def has_torch(lock: Path) -> bool:
    """Say whether a lock pins torch."""
    return any(pin.name == "torch" for pin in pins.read(lock).pins)


def note(target: Target) -> str | None:
    """Return what a user should know of an environment that was installed, or None."""
    brought = any(target.folder.glob("lib/python*/site-packages/nvidia_*.dist-info"))
    return CUDA_NOTE if brought and has_torch(target.lock) else None
