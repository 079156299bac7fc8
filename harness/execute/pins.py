"""Reads the pins of a lock, and holds what is installed against them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.errors import StageError

_PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[^]]*])?\s*==\s*(?P<version>[^\s;*]+)(?P<rest>(\s|;).*)?")

#: Options that name packages in other places, which the lock's hash would not cover.
_FURTHER = ("-r", "-c", "-e", "--requirement", "--constraint", "--editable")


@dataclass(frozen=True)
class Pin:
    """One exact version; `conditional` ones stand behind an environment marker and need not be installed."""

    name: str
    version: str
    conditional: bool


def lines(text: str) -> list[str]:
    """Return the logical lines of a lock: without comments, with continued lines joined (pip's requirements format)."""
    joined = re.sub(r"\\\n", " ", text)
    bare = (re.sub(r"(^|\s+)#.*$", "", line).strip() for line in joined.splitlines())
    return [" ".join(line.split()) for line in bare if line]


def pins(entries: Iterable[str], where: str) -> list[Pin]:
    """Return the pins among the lines of a lock; options of pip are passed over, but for those that name more packages.

    Raises
    ------
    StageError : ``environment``, for a line that pins nothing: such an environment could not be built again.
    """
    found = []
    for line in entries:
        if line.startswith("-") and not line.startswith(_FURTHER):
            continue
        match = _PIN.fullmatch(line)
        if match is None:
            raise StageError("environment", f"{where}: {line!r} is no pin; write NAME==VERSION")
        found.append(Pin(normal(match["name"]), match["version"], ";" in (match["rest"] or "")))
    return found


def versions(lock: str, where: str) -> dict[str, str]:
    """Return name -> version of the text of a lock.

    Raises
    ------
    StageError : ``environment`` for a line that is no pin.
    """
    return {pin.name: pin.version for pin in pins(lines(lock), where)}


def difference(wanted: Iterable[Pin], installed: Mapping[str, str]) -> str | None:
    """Return what differs between pins and installed versions (by name), None when nothing does.

    A pin without a local version is met by any build of that version, such as ``+cpu``.
    """
    there = {normal(name): version for name, version in installed.items()}
    for pin in wanted:
        version = there.get(pin.name)
        if version is None and pin.conditional:
            continue
        if version is None or not _same(pin.version, version):
            return f"pinned is {pin.name}=={pin.version}, installed is {version or 'none'}"
    return None


def _same(pinned: str, installed: str) -> bool:
    public, _, local = installed.partition("+")
    wanted, _, wanted_local = pinned.partition("+")
    return _release(public) == _release(wanted) and wanted_local in ("", local)


def _release(version: str) -> str:
    return re.sub(r"(\.0)+$", "", version)


def normal(name: str) -> str:
    """Return a project's name in its normal form, by the packaging specification."""
    return re.sub(r"[-_.]+", "-", name).lower()
