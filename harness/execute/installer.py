"""Installs a lock's packages with uv, which shares files between environments by hard links, obeying pip's settings.

pip stays the fallback (see :mod:`harness.execute.environment`): what works with pip must work here.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError, nearest
from harness.execute import pins, tool

#: Which installer is used: uv where it is at hand, then pip; or pip alone.
VARIABLE = "HARNESS_INSTALLER"
INSTALLERS = ("uv", "pip")

#: Said of an environment whose torch could only be had with CUDA libraries that nothing here uses.
CUDA_NOTE = "torch with CUDA libraries: no CPU build of it could be reached"

#: Settings of pip -> uv's options of the same meaning. Those that hold several values give one option for each.
_OPTIONS = {
    "index-url": "--default-index",
    "extra-index-url": "--index",
    "find-links": "--find-links",
    "constraint": "--constraint",
    "trusted-host": "--allow-insecure-host",
    "only-binary": "--only-binary",
    "no-binary": "--no-binary",
}

#: Settings of pip -> the variables that uv reads.
_VARIABLES = {
    "cert": ("SSL_CERT_FILE",),
    "client-cert": ("SSL_CLIENT_CERT",),
    "timeout": ("UV_HTTP_TIMEOUT",),
    "default-timeout": ("UV_HTTP_TIMEOUT",),
    "proxy": ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"),
}

#: The files of an environment with their sizes, one a line.
MANIFEST = "files.txt"

_FALSE = ("", "0", "false", "no", "off")

Step = Callable[..., tool.Finished]


def program() -> Path | None:
    """Return uv's program, or None where pip is wanted or uv is not installed beside this harness.

    Raises
    ------
    UserError : the variable ``HARNESS_INSTALLER`` names neither.
    """
    wanted = os.environ.get(VARIABLE) or "uv"
    if wanted not in INSTALLERS:
        raise UserError(f"{VARIABLE}={wanted}: want uv or pip{nearest(wanted, INSTALLERS)}")
    if wanted == "pip":
        return None
    try:
        from uv import find_uv_bin

        return Path(find_uv_bin())
    except (ImportError, FileNotFoundError):
        return None


@dataclass(frozen=True)
class Settings:
    """What pip's configuration asks for, as uv takes it: options of its command line, and variables."""

    options: tuple[str, ...]
    variables: Mapping[str, str]


def pip_settings(printed: Iterable[str]) -> Settings:
    """Translate the lines of ``pip config list``: files first, then the section of ``install``, then the variables.

    A later place replaces the values of an earlier one, as in pip.
    """
    values: dict[str, str] = {}
    found = [match for line in printed if (match := re.fullmatch(r"(global|install|:env:)\.([\w-]+)='(.*)'", line))]
    for section in ("global", "install", ":env:"):
        for match in found:
            if match[1] == section:
                values[match[2]] = _unquoted(match[3])
    options = [
        part for name, option in _OPTIONS.items() for one in values.get(name, "").split() for part in (option, one)
    ]
    if values.get("no-index", "").lower() not in _FALSE:
        options.append("--no-index")
    variables = {one: values[name] for name, ones in _VARIABLES.items() if values.get(name) for one in ones}
    # pip takes the best version of all places; uv by itself takes the first place that has the package at all.
    return Settings((*options, "--index-strategy", "unsafe-best-match"), variables)


def read_pip_settings() -> Settings:
    """Return the settings of the pip that this harness was installed with; none where it has no pip."""
    finished = tool.run([sys.executable, "-m", "pip", "config", "list"])
    return pip_settings(finished.lines if finished.code == 0 else ())


def install(uv: Path, python: Path, lock: Path, no_deps: Iterable[str], cache: Path, step: Step) -> str | None:
    """Install a lock into the environment of `python`, and return what a user should know of it, or None.

    Parameters
    ----------
    no_deps : pins that are installed behind the lock, without what they depend on.
    cache : uv's folder; on the environments' file system, or its files cannot be shared.
    step : runs a command and raises StageError when it fails, unless it is told ``may_fail=True``.
    """
    settings = read_pip_settings()
    command = (uv, "pip", "install", "--python", python, "--cache-dir", cache, "--no-progress", *settings.options)

    def run(*arguments: str | Path, **more: object) -> tool.Finished:
        return step(*command, *arguments, variables=dict(settings.variables), **more)

    note, backend = None, ()
    torch = next((pin for pin in pins.pins(pins.lines(lock.read_text()), lock.name) if pin.name == "torch"), None)
    if torch is not None and not _is_for_cpu(run("--dry-run", "--no-deps", f"torch=={torch.version}", may_fail=True)):
        backend = ("--torch-backend=cpu",)
        asked = run("--dry-run", "--no-deps", *backend, f"torch=={torch.version}", may_fail=True)
        if not _is_for_cpu(asked):
            note, backend = CUDA_NOTE, ()
    run(*backend, "-r", lock)
    for pin in no_deps:
        run("--no-deps", pin)
    return note


def write_manifest(folder: Path) -> int:
    """Write down each file of a built environment with its size, and return the size of all in bytes.

    A wheel's own RECORD does not serve: some wheels are published with sizes that are not those of their files.
    Compiled files are left out: they are made anew.
    """
    lines, total = [], 0
    for path in folder.rglob("*"):
        size = path.lstat().st_size
        total += size
        if path.is_file() and not path.is_symlink() and path.suffix != ".pyc":
            lines.append(f"{size}\t{path.relative_to(folder)}\n")
    (folder / MANIFEST).write_text("".join(lines), errors="surrogateescape")
    return total


def missing_file(folder: Path) -> str | None:
    """Return the first file that is gone or has another size than :func:`write_manifest` has written down, or None."""
    try:
        lines = (folder / MANIFEST).read_text(errors="surrogateescape").splitlines()
    except OSError:
        return MANIFEST
    for line in lines:
        size, _, name = line.partition("\t")
        try:
            if (folder / name).stat().st_size != int(size):
                return name
        except (OSError, ValueError):
            return name
    return None


def _is_for_cpu(finished: tool.Finished) -> bool:
    """Say whether what uv would install is a CPU build of torch (or cannot be told, when it would install none)."""
    return any(re.fullmatch(r"\s*\+ torch==\S+\+cpu\S*", line) for line in finished.lines)


def _unquoted(text: str) -> str:
    """Return what pip prints as a Python literal, without its quotes."""
    try:
        return str(ast.literal_eval(f"'{text}'"))
    except (SyntaxError, ValueError):
        return text
