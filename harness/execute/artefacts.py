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

RESULT_FILE = "result.json"


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
    _checked: set[Path] = field(default_factory=set)

    def ensure(self, stage: str, key: str, make: Callable[[Path], dict[str, Any]]) -> Artefact:
        """Return the artefact, made by `make` in an empty folder unless it is at hand and whole.

        It appears under its name only when it is finished, so a killed maker leaves nothing that could be taken for
        it. Files whose hash no longer checks are thrown away and made again.
        """
        folder = self.root / f"{stage}-{key}"
        self.root.mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / f"{stage}-{key}.lock"):
            there = self._load(folder, key)
            if there is not None:
                return there
            for rest in (folder, *self.root.glob(f"{stage}-{key}.new-*")):
                shutil.rmtree(rest, ignore_errors=True)
            making = self.root / f"{stage}-{key}.new-{os.getpid()}"
            making.mkdir()
            start = time.monotonic()
            try:
                result = make(making)
                seconds = time.monotonic() - start
                content = {"result": result, "seconds": seconds, "files": _hashes(making)}
                _write(making / RESULT_FILE, json.dumps(content, indent=1, allow_nan=False))
                making.rename(folder)
            except BaseException:
                shutil.rmtree(making, ignore_errors=True)
                raise
            self._checked.add(folder)
            return Artefact(key, folder, result, _size(folder), seconds, reused=False)

    def _load(self, folder: Path, key: str) -> Artefact | None:
        try:
            content = json.loads((folder / RESULT_FILE).read_text())
            if folder not in self._checked and _hashes(folder) != content["files"]:
                return None
            self._checked.add(folder)
            return Artefact(key, folder, content["result"], _size(folder), content["seconds"], reused=True)
        except (OSError, ValueError, KeyError):
            return None


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != RESULT_FILE)


def _hashes(folder: Path) -> dict[str, str]:
    hashes = {}
    for path in _files(folder):
        with path.open("rb") as stream:
            hashes[str(path.relative_to(folder))] = hashlib.file_digest(stream, "sha256").hexdigest()
    return hashes


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in _files(folder))


def _write(path: Path, text: str) -> None:
    with path.open("w") as stream:
        stream.write(text)
        stream.flush()
        with contextlib.suppress(OSError):
            os.fsync(stream.fileno())
