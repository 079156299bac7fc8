"""The store of artefacts: what a stage makes, once, under a key that covers all that can change its bytes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from harness.config.cell import digest

RESULT_FILE = "result.json"

#: How often a harness looks whether another one has finished what both want.
_LOOK_AGAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Artefact:
    """A finished artefact. `result` is what its stage returned; `size_bytes` counts its files without that result."""

    key: str
    path: Path
    result: dict[str, Any]
    size_bytes: int
    seconds: float
    reused: bool


@dataclass
class Artefacts:
    """Artefacts below `root`, one folder each, named by stage and key."""

    root: Path
    _checked: dict[Path, dict[str, int]] = field(default_factory=dict)  # folder -> size of each file when it was hashed

    def ensure(self, stage: str, key: str, make: Callable[[Path], dict[str, Any]]) -> Artefact:
        """Return the artefact, made by `make` in an empty folder unless it is at hand and whole.

        It appears under its name only when it is finished, so a killed maker leaves nothing that could be taken for
        it. One whose sizes or hashes no longer check is moved aside (``.damaged``, one a key) and made again, and the
        new one's result file has a `note` on it. Hashes are checked once a process, sizes and that of the result file
        always.
        """
        folder = self.root / f"{stage}-{key}"
        self.root.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock").acquire(poll_interval=_LOOK_AGAIN_SECONDS):
            damage = "" if not folder.exists() else self._damage(folder)
            if folder.exists() and not damage:
                return _load(folder, key)
            for rest in self.root.glob(f"{folder.name}.new-*"):
                shutil.rmtree(rest, ignore_errors=True)
            if damage:
                aside = folder.with_name(f"{folder.name}.damaged")
                shutil.rmtree(aside, ignore_errors=True)
                folder.rename(aside)
            return self._make(folder, key, make, damage)

    def scratch(self, stage: str, key: str) -> Path:
        """Return a folder beside the artefact for what must survive a killed maker; it goes when the artefact goes."""
        folder = self.root / f"{stage}-{key}.scratch"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def list(self) -> list[Path]:
        """Return the folders of all finished artefacts."""
        return sorted(path.parent for path in self.root.glob(f"*/{RESULT_FILE}") if path.parent.suffix == "")

    def remove(self, folder: Path) -> None:
        """Remove one of the listed artefacts, and what was moved aside of it."""
        with FileLock(f"{folder}.lock"):
            # The result first: a removal that is interrupted must not leave what looks finished.
            (folder / RESULT_FILE).unlink(missing_ok=True)
            for rest in (folder, *self.root.glob(f"{folder.name}.*/")):
                shutil.rmtree(rest, ignore_errors=True)

    def _make(self, folder: Path, key: str, make: Callable[[Path], dict[str, Any]], damage: str) -> Artefact:
        making = folder.with_name(f"{folder.name}.new-{os.getpid()}")
        making.mkdir()
        start = time.monotonic()
        try:
            result = make(making)
            seconds = time.monotonic() - start
            content = {"result": result, "seconds": seconds, "files": _hashes(making)}
            if damage:
                content["note"] = f"made again: {damage}"
            content = json.loads(json.dumps(content, allow_nan=False))  # as it will be read: keys are text
            content["sha256"] = _own_hash(content)
            _write(making / RESULT_FILE, json.dumps(content, indent=1, allow_nan=False))
            making.rename(folder)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
        self._checked[folder] = _sizes(folder)
        return Artefact(key, folder, result, sum(_sizes(folder).values()), seconds, reused=False)

    def _damage(self, folder: Path) -> str:
        """Return what is wrong with an artefact, nothing if it is whole."""
        try:
            content = json.loads((folder / RESULT_FILE).read_text())
            wanted, _ = content["files"], (content["result"], content["seconds"])
            if content["sha256"] != _own_hash(content):
                return f"{RESULT_FILE} did not have the recorded hash"
            there = _hashes(folder) if folder not in self._checked else wanted
            if there != wanted:
                changed = sorted(name for name in {*there, *wanted} if there.get(name) != wanted.get(name))
                return f"{', '.join(changed[:5])} did not have the recorded hash"
            if self._checked.setdefault(folder, _sizes(folder)) != _sizes(folder):
                return "a file had changed its size"
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            return f"{RESULT_FILE} could not be read ({type(error).__name__})"
        return ""


def _load(folder: Path, key: str) -> Artefact:
    content = json.loads((folder / RESULT_FILE).read_text())
    return Artefact(key, folder, content["result"], sum(_sizes(folder).values()), content["seconds"], reused=True)


def _own_hash(content: dict[str, Any]) -> str:
    """Return the SHA-256 of what an artefact's result file holds beside that hash."""
    return digest({name: value for name, value in content.items() if name != "sha256"}, length=64)


def _files(folder: Path) -> dict[str, Path]:
    """Return the payload by name: all files, in whatever depth, but the artefact's own result."""
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path for name, path in files.items() if name != RESULT_FILE}


def _sizes(folder: Path) -> dict[str, int]:
    return {name: path.stat().st_size for name, path in _files(folder).items()}


def _hashes(folder: Path) -> dict[str, str]:
    hashes = {}
    for name, path in _files(folder).items():
        with path.open("rb") as stream:
            hashes[name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return hashes


def _write(path: Path, text: str) -> None:
    with path.open("w") as stream:
        stream.write(text)
        stream.flush()
        with contextlib.suppress(OSError):
            os.fsync(stream.fileno())
