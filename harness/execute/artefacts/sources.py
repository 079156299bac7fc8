"""Fetches what a source names: a pinned package's archive, checked by hash and unpacked in part, or a local path."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.cache import cache_error
from harness.config.cell import Cell
from harness.config.schema import SourceConfig
from harness.errors import StageError, UserError
from harness.execute.artefacts.store import Artefacts
from harness.execute.artefacts.unpack import unpack
from harness.execute.environments import tool
from harness.tasks.files import existing


@dataclass
class Sources:
    """Sources below ``cache/sources``: what was unpacked of an archive is kept, and checked, like an artefact."""

    cache: Path
    _store: Artefacts = field(init=False)

    def __post_init__(self) -> None:
        self._store = Artefacts(self.cache / "sources")

    def path(self, source: SourceConfig, *, where: str, on_progress: Callable[[str], None]) -> Path:
        """Return the local path of a package's or a path's content; `where` names the source in messages.

        Raises
        ------
        StageError : ``missing_file``, ``damaged`` (hash or archive), ``no_network``, ``no_package``, ``disk_full``.
        UserError : the cache cannot be written for another reason.
        """
        if source.path is not None:
            return existing(source.path, f"{where}: ")
        package, sha256, inside = source.package, source.sha256, source.inside
        assert package is not None and sha256 is not None and inside is not None, "planning refuses a package without"

        def make(out: Path) -> dict[str, Any]:
            on_progress(f"fetching {package}")
            archive = _download(source, package, out / "download", where)
            _check_hash(archive, source, where)
            unpack(archive, inside, out / "content", where)
            shutil.rmtree(out / "download")
            return {"package": package, "sha256": sha256, "inside": inside}

        key = hashlib.sha256(f"{sha256}\0{inside}".encode()).hexdigest()[:16]
        try:
            return self._store.ensure("package", key, make).path / "content" / inside
        except OSError as error:
            raise cache_error(error, self.cache, where) from error


def require_any(cells: Iterable[Cell]) -> None:
    """Raise :class:`UserError` where every cell wants a local path that is not there: nothing could run.

    As long as some cell has its files, those of another that are missing are that one's failure.
    """
    problem = None
    for cell in cells:
        try:
            for axis, option in (("model", cell.model), ("task", cell.task)):
                if option.source.path is not None:
                    existing(option.source.path, f"{axis}.source.path of {option.name}: ")
            return
        except StageError as error:
            problem = problem or error
    if problem is not None:
        raise UserError(problem.message) from problem


def _download(source: SourceConfig, package: str, folder: Path, where: str) -> Path:
    folder.mkdir()
    finished = tool.run(_command(source, package, folder, where), cwd=folder)
    archives = sorted(path for path in folder.iterdir() if path.suffix != ".txt")
    if finished.code == 0 and len(archives) == 1:
        return archives[0]
    kind, line = tool.why(finished)
    found = re.search(r"Got\s+([0-9a-f]{64})", "\n".join(finished.lines))
    if kind == "damaged" and found is not None:
        raise StageError("damaged", _other_hash(where, source, found[1]))
    # `environment` is a backend's; what is left here is a registry that could not give the package.
    raise StageError("no_package" if kind == "environment" else kind, f"{where}: {package}: {line}")


def _command(source: SourceConfig, package: str, folder: Path, where: str) -> list[str]:
    if source.registry == "debian":
        if shutil.which("apt-get") is None:
            raise StageError("no_package", f"{where}: {package}: registry debian needs apt-get, which is not here")
        return ["apt-get", "download", package.replace("==", "=")]
    name = package.partition("==")[0]
    # pip asks a source distribution for its metadata, which runs its code: not before its hash was checked.
    (folder / "pin.txt").write_text(f"{package} --hash=sha256:{source.sha256}\n")
    wanted = ["--no-binary", name] if source.source_distribution else ["--only-binary", name]
    options = ["--no-deps", "--require-hashes", "--progress-bar=off", "--disable-pip-version-check"]
    return [sys.executable, "-m", "pip", "download", *options, *wanted, "-d", str(folder), "-r", "pin.txt"]


def _check_hash(archive: Path, source: SourceConfig, where: str) -> None:
    with archive.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != source.sha256:
        raise StageError("damaged", _other_hash(where, source, found))


def _other_hash(where: str, source: SourceConfig, found: str) -> str:
    return f"{where}: {source.package} has sha256 {found}, wanted is {source.sha256}; it is not the pinned archive"
