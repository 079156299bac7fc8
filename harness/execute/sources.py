"""Fetches what a source names: a pinned package's archive, checked by hash and unpacked in part, or a local path."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from filelock import FileLock

from harness.errors import StageError, nearest
from harness.plan.config import SourceConfig


@dataclass(frozen=True)
class Sources:
    """Sources below ``cache/sources``, each under the hash of its archive."""

    cache: Path

    def path(self, source: SourceConfig, *, where: str, on_progress: Callable[[str], None]) -> Path:
        """Return the local path of a package's or a path's content.

        Raises
        ------
        StageError : ``missing_file``, ``damaged`` (hash or archive), ``no_network``, ``no_package``, ``disk_full``.
        """
        if source.path is not None:
            path = Path(source.path).expanduser().absolute()
            if not path.exists():
                raise StageError("missing_file", f"{where}: {path}: no such file or folder")
            return path
        root = self.cache / "sources" / source.sha256
        wanted = root / source.inside
        root.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{root}.lock"):
            if not wanted.exists():
                with tempfile.TemporaryDirectory(dir=root.parent) as scratch:
                    on_progress(f"fetching {source.package}")
                    archive = _download(source, Path(scratch), where)
                    _check_hash(archive, source, where)
                    unpacked = Path(scratch) / "unpacked"
                    _unpack(archive, source.inside, unpacked, where)
                    shutil.rmtree(root, ignore_errors=True)
                    os.rename(unpacked, root)
        return wanted


def _download(source: SourceConfig, folder: Path, where: str) -> Path:
    into = folder / "download"
    into.mkdir()
    if source.registry == "debian":
        command = ["apt-get", "download", source.package.replace("==", "=")]
    else:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--progress-bar=off", "-d", str(into)]
        command += ["--no-binary", ":all:"] if source.source_distribution else []
        command += [source.package]
    finished = subprocess.run(command, cwd=into, capture_output=True, text=True, check=False)
    archives = sorted(path for path in into.iterdir() if path.is_file())
    if finished.returncode != 0 or not archives:
        text = finished.stdout + finished.stderr
        lines = [line.strip() for line in text.splitlines() if "ERROR" in line or line.startswith("E:")] or ["no output"]
        kind = "no_network" if "onnection" in text or "timed out" in text else "no_package"
        kind = "disk_full" if "No space left" in text else kind
        raise StageError(kind, f"{where}: {source.package}: {lines[-1]}")
    return archives[0]


def _check_hash(archive: Path, source: SourceConfig, where: str) -> None:
    with archive.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != source.sha256:
        message = f"{where}: {archive.name} has sha256 {found}, want {source.sha256}; the archive is not the pinned one"
        raise StageError("damaged", message)


def _unpack(archive: Path, inside: str, out: Path, where: str) -> None:
    """Unpack the file or folder `inside` of a zip, wheel, tar or Debian package; nothing may land outside `out`."""
    out.mkdir()
    try:
        if archive.suffix == ".deb":
            subprocess.run(["dpkg-deb", "-x", str(archive), str(out)], check=True, capture_output=True)
        elif zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                names = opened.namelist()
                opened.extractall(out, _chosen(names, inside, where))
        else:
            with tarfile.open(archive) as opened:
                chosen = set(_chosen(opened.getnames(), inside, where))
                members = [member for member in opened.getmembers() if member.name in chosen]
                opened.extractall(out, members, filter="data")
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, subprocess.CalledProcessError) as error:
        raise StageError("damaged", f"{where}: {archive.name}: {error}") from error


def _chosen(names: list[str], inside: str, where: str) -> list[str]:
    unsafe = [name for name in names if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts]
    if unsafe:
        raise StageError("damaged", f"{where}: the archive holds the unsafe path {unsafe[0]!r}")
    chosen = [name for name in names if name == inside or name.startswith(inside.rstrip("/") + "/")]
    if not chosen:
        raise StageError("missing_file", f"{where}: the archive has no {inside}{nearest(inside, names)}")
    return chosen
