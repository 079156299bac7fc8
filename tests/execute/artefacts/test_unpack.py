"""An archive gives up the named part and nothing else, and cannot write outside of its folder."""

from __future__ import annotations

import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from harness.errors import StageError
from harness.execute.artefacts.unpack import unpack

FILES = {"top/data/a.tab": b"a", "top/data/deep/b.tab": b"bb", "top/database/c.tab": b"ccc", "top/setup.py": b"1/0"}


def _zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def _tar(path: Path, files: dict[str, bytes], *, mode: str = "w:gz", links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
        for name, target in (links or {}).items():
            header = tarfile.TarInfo(name)
            header.type, header.linkname = tarfile.SYMTYPE, target
            archive.addfile(header)
    return path


def _deb(path: Path, files: dict[str, bytes]) -> Path:
    """Write a Debian package by deb(5): an ar archive of a version, a control archive and a data archive."""
    folder = path.parent
    control = _tar(folder / "control.tar.gz", {"./control": b"Package: x\nVersion: 1\nArchitecture: all\n"})
    data = _tar(folder / "data.tar.gz", {f"./{name}": content for name, content in files.items()})
    parts = {"debian-binary": b"2.0\n", control.name: control.read_bytes(), data.name: data.read_bytes()}
    with path.open("wb") as stream:
        stream.write(b"!<arch>\n")
        for name, content in parts.items():
            stream.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode())
            stream.write(content + b"\n" * (len(content) % 2))
    return path


ARCHIVES = {
    "zip": lambda folder: _zip(folder / "x.whl", FILES),
    "tar.gz": lambda folder: _tar(folder / "x.tar.gz", FILES),
    "tar.xz": lambda folder: _tar(folder / "x.tar.xz", FILES, mode="w:xz"),
    "deb": lambda folder: _deb(folder / "x.deb", FILES),
}


def _there(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ARCHIVES)
@pytest.mark.parametrize("inside", ["top/data", "top/data/", "top/data/a.tab"])
def test_only_the_named_part_is_unpacked(tmp_path, kind, inside):
    unpack(ARCHIVES[kind](tmp_path), inside, tmp_path / "out", "task.source")
    assert _there(tmp_path / "out") == {
        name: FILES[name] for name in FILES if f"{name}/".startswith(inside.rstrip("/") + "/")
    }


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_part_that_is_not_there_is_named_with_the_nearest(tmp_path, kind):
    with pytest.raises(
        StageError, match=r"task\.source: .*no top/dato/a\.tab.*did you mean 'top/data/a\.tab'"
    ) as error:
        unpack(ARCHIVES[kind](tmp_path), "top/dato/a.tab", tmp_path / "out", "task.source")
    assert error.value.kind == "missing_file"


@pytest.mark.parametrize("name", ["../evil", "top/data/../../../evil", "/tmp/evil"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_member_that_would_leave_the_folder_is_refused(tmp_path, kind, name):
    files = {"top/data/a.tab": b"a", name: b"evil"}
    archive = _zip(tmp_path / "x.zip", files) if kind == "zip" else _tar(tmp_path / "x.tar.gz", files)
    (tmp_path / "in").mkdir()
    with pytest.raises(StageError, match="unsafe path") as error:
        unpack(archive, "top/data", tmp_path / "in" / "out", "task.source")
    assert error.value.kind == "damaged"
    assert _there(tmp_path / "in") == {}


@pytest.mark.parametrize("target", ["/etc", "../../../elsewhere"])
def test_a_link_out_of_the_folder_is_refused(tmp_path, target):
    archive = _tar(tmp_path / "x.tar.gz", {"top/a": b"a"}, links={"top/out": target})
    with pytest.raises(StageError) as error:
        unpack(archive, "top", tmp_path / "out", "task.source")
    assert error.value.kind == "damaged"
    assert not (tmp_path / "out" / "top" / "out").is_symlink()


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_cut_off_archive_is_damaged(tmp_path, kind):
    archive = ARCHIVES[kind](tmp_path)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(StageError, match=archive.name) as error:
        unpack(archive, "top/data", tmp_path / "out", "task.source")
    assert error.value.kind == "damaged"


def test_bytes_that_changed_within_an_archive_are_noticed(tmp_path):
    archive = _zip(tmp_path / "x.zip", {"top/a": b"unmistakable"})
    archive.write_bytes(archive.read_bytes().replace(b"unmistakable", b"unmistakeble"))
    with pytest.raises(StageError) as error:
        unpack(archive, "top", tmp_path / "out", "task.source")
    assert error.value.kind == "damaged"


def test_the_hand_made_debian_package_is_one(tmp_path):
    listed = subprocess.run(
        ["dpkg-deb", "-c", _deb(tmp_path / "x.deb", FILES)], capture_output=True, text=True, check=True
    )
    assert "./top/data/a.tab" in listed.stdout
