"""Unpacks one file or folder of an archive; nothing can land outside of the folder that it is unpacked to."""

from __future__ import annotations

import gzip
import lzma
import shutil
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from harness.errors import StageError, nearest

#: What the libraries raise for an archive that is no archive, or is cut off, or whose checksums differ.
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, KeyError)


def unpack(archive: Path, inside: str, out: Path, where: str) -> None:
    """Unpack the file or folder `inside` of a zip, wheel, tar or Debian package to ``out/inside``.

    Raises
    ------
    StageError : ``missing_file`` with the nearest member, ``damaged`` also for a member that would leave `out`.
    """
    out.mkdir()
    try:
        if archive.suffix == ".deb":
            _unpack_debian(archive, inside, out, where)
        elif zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(out, _chosen(opened.namelist(), inside, where))
        else:
            with tarfile.open(archive) as opened:
                _unpack_tar(opened, inside, out, where)
    except _DAMAGED as error:
        raise StageError("damaged", f"{where}: {archive.name}: {error}") from error


def _unpack_debian(archive: Path, inside: str, out: Path, where: str) -> None:
    content = out.with_name("content.tar")
    with content.open("wb") as stream:
        command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
        finished = subprocess.run(command, stdout=stream, stderr=subprocess.PIPE, text=True, check=False)
    if finished.returncode != 0:
        raise StageError("damaged", f"{where}: {archive.name}: {finished.stderr.strip()}")
    with tarfile.open(content) as opened:
        _unpack_tar(opened, inside, out, where)
    content.unlink()


def _unpack_tar(opened: tarfile.TarFile, inside: str, out: Path, where: str) -> None:
    members = {_bare(member.name): member for member in opened.getmembers()}
    for name in _chosen(members, inside, where):
        member, path = members[name], out / name
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
        elif member.isfile():
            # Written here, not by extractall, whose filter against links and devices came with Python 3.11.4 only.
            path.parent.mkdir(parents=True, exist_ok=True)
            content = opened.extractfile(member)
            assert content is not None, "a file has content"
            with path.open("xb") as stream:
                shutil.copyfileobj(content, stream)
        else:
            raise StageError("damaged", f"{where}: the archive holds {name!r}, which is neither a file nor a folder")


def _chosen(names: Iterable[str], inside: str, where: str) -> list[str]:
    names = list(names)
    unsafe = [name for name in names if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts]
    if unsafe:
        raise StageError("damaged", f"{where}: the archive holds the unsafe path {unsafe[0]!r}")
    chosen = [name for name in names if name == inside or name.startswith(inside.rstrip("/") + "/")]
    if not chosen:
        raise StageError("missing_file", f"{where}: the archive has no {inside}{nearest(inside, names)}")
    return chosen


def _bare(name: str) -> str:
    return name.removeprefix("./")
