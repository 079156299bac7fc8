"""Reads the pins of a lock, and holds what is installed against them.

A lock is lines of ``NAME==VERSION``, each with the hashes of its archives where they are wanted, comments and empty
lines; nothing else. It may have come with somebody else's results: what an installer could take for another option, an
address or a path is refused before anything is installed, and what is installed is never the file itself but what was
read of it (:attr:`Lock.text`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from harness.errors import StageError

#: A pin, with the hashes of its archives; what name and version may be, `packaging` says.
_PIN = re.compile(r"(?P<name>[\w.-]+)==(?P<version>[\w.!+-]{1,100})(?: --hash=sha256:[0-9a-f]{64})*", re.ASCII)

_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")

#: A message shows so much of a line.
_SHOWN = 60


@dataclass(frozen=True)
class Pin:
    """One exact version of a project, whose `name` is in its normal form."""

    name: str
    version: str


@dataclass(frozen=True)
class Lock:
    """What a lock's file holds: its bytes, its lines without comments, and its pins."""

    content: bytes
    lines: tuple[str, ...]
    pins: tuple[Pin, ...]

    @property
    def sha256(self) -> str:
        """The SHA-256 of its bytes, comments included."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def text(self) -> str:
        """What is installed: its lines without comments, in their order."""
        return text(self.lines)


def read(path: Path) -> Lock:
    """Return what the lock at `path` holds.

    Raises
    ------
    StageError : ``environment``: it cannot be read, or a line of it is no pin; ``missing_file``.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise StageError("missing_file", f"{path}: no such lock") from error
    except OSError as error:
        raise StageError("environment", f"{path}: cannot be read: {error.strerror}") from error
    found = lines(content, path.name)
    return Lock(content, tuple(found), tuple(pins(found, path.name)))


def lines(content: bytes, where: str) -> list[str]:
    """Return the logical lines of a lock: without comments, with continued lines joined.

    Raises
    ------
    StageError : ``environment``: it is no UTF-8, or a line ends where not every program sees an end: in a comment that
        seems to go on, or at a control character. Two readers of it would find different pins.
    """
    try:
        decoded = content.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"{where}: byte {error.start} is no UTF-8; want lines of NAME==VERSION"
        raise StageError("environment", message) from error
    found, begun = [], ""
    for number, line in enumerate(decoded.split("\n"), start=1):
        line = line.removesuffix("\r")
        bare = _COMMENT.sub("", line)
        if len(line.splitlines()) > 1 or "\0" in line or (line.endswith("\\") and bare != line):
            what = f"{_shown(line)} may end elsewhere for another program"
            raise StageError("environment", f"{where}, line {number}: {what}; want NAME==VERSION or a comment")
        if bare.endswith("\\"):
            begun += bare.removesuffix("\\") + " "
            continue
        found.append(" ".join((begun + bare).split()))
        begun = ""
    if begun:
        raise StageError("environment", f"{where}: ends within a line, at a backslash; want NAME==VERSION or a comment")
    return [line for line in found if line]


def pins(entries: Iterable[str], where: str) -> list[Pin]:
    """Return the pins of the lines of a lock.

    Raises
    ------
    StageError : ``environment``, for a line that is anything else, be it another option of pip, an address or a path;
        and for a project that is pinned twice.
    """
    found: dict[str, Pin] = {}
    for line in entries:
        pin = _pin(line)
        if pin is None:
            raise StageError("environment", f"{where}: {_shown(line)} is no pin; write NAME==VERSION")
        if pin.name in found:
            raise StageError("environment", f"{where}: {pin.name} is pinned twice; want one version of it")
        found[pin.name] = pin
    return list(found.values())


def _pin(line: str) -> Pin | None:
    match = _PIN.fullmatch(line)
    # `packaging` takes v1.0 for 1.0.
    if match is None or not match["version"][0].isdigit():
        return None
    try:
        Version(match["version"])
        return Pin(canonicalize_name(match["name"], validate=True), match["version"])
    except (InvalidVersion, InvalidName):
        return None


def text(entries: Iterable[str]) -> str:
    """Return a lock of these lines."""
    return "".join(f"{line}\n" for line in entries)


def versions(path: Path) -> dict[str, str]:
    """Return name -> version of a lock.

    Raises
    ------
    StageError : as :func:`read`.
    """
    return {pin.name: pin.version for pin in read(path).pins}


def difference(wanted: Iterable[Pin], installed: Mapping[str, str]) -> str | None:
    """Return what differs between pins and installed versions (by name), None when nothing does.

    A pin without a local version is met by any build of that version, such as ``+cpu``.
    """
    there = {normal(name): version for name, version in installed.items()}
    for pin in wanted:
        version = there.get(pin.name)
        if version is None or not _same(pin.version, version):
            return f"pinned is {pin.name}=={pin.version}, installed is {version or 'none'}"
    return None


def _shown(line: str) -> str:
    return repr(line if len(line) <= _SHOWN else f"{line[:_SHOWN]}...")


def _same(pinned: str, installed: str) -> bool:
    try:
        wanted, there = Version(pinned), Version(installed)
    except InvalidVersion:
        return pinned == installed
    return wanted == there or (wanted.local is None and wanted == Version(there.public))


def normal(name: str) -> str:
    """Return a project's name in its normal form, by the packaging specification."""
    return canonicalize_name(name)
