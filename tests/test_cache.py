"""A cache that cannot be written or is full is told before anything runs, and ends a run that meets it later."""

from __future__ import annotations

import errno
import os
from collections import namedtuple
from pathlib import Path

import pytest

from harness import cache
from harness.__main__ import main
from harness.errors import StageError, UserError

_Usage = namedtuple("_Usage", "total used free")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the cache folder, which is not there yet."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def refuse(monkeypatch: pytest.MonkeyPatch, folder: Path, number: int) -> None:
    """Have every new file in a folder fail; the tests may run as root, whom permissions do not stop."""
    opened = os.open

    def refusing(path, flags, *arguments, **keywords):
        if flags & os.O_CREAT and Path(path).parent == folder:
            raise OSError(number, os.strerror(number), str(path))
        return opened(path, flags, *arguments, **keywords)

    monkeypatch.setattr(os, "open", refusing)


def test_a_cache_that_can_be_used_is_made_and_left_empty(folder):
    assert cache.usable_cache() == folder
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("within", ["", "artefacts", "environments", "logs"])
@pytest.mark.parametrize(
    ("number", "words"), [(errno.EROFS, "Read-only file system"), (errno.ENOSPC, "No space left on device")]
)
def test_a_cache_that_refuses_a_file_is_named_with_the_reason(folder, monkeypatch, within, number, words):
    (folder / within).mkdir(parents=True)
    refuse(monkeypatch, folder / within, number)
    with pytest.raises(UserError, match=f"^cache {folder}: cannot be written .*{words}.*HARNESS_CACHE"):
        cache.usable_cache()


def test_too_little_room_is_too_little(folder, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: _Usage(2**40, 2**40, cache.NEEDED_BYTES - 1))
    with pytest.raises(UserError, match=r"4\.0 GiB free, want 4; HARNESS_CACHE names another folder"):
        cache.usable_cache()
    monkeypatch.setattr("shutil.disk_usage", lambda path: _Usage(2**40, 2**40, cache.NEEDED_BYTES))
    assert cache.usable_cache() == folder


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "suite=quickstart"],
        ["run", "suite=tuning"],
        ["compare", "now", "now", "suite=quickstart"],
        ["aa", "suite=quickstart"],
        ["env", "build", "torch"],
    ],
)
def test_no_command_begins_with_a_cache_that_cannot_be_written(tmp_path, monkeypatch, capsys, arguments):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file" / "cache"))
    assert main([*arguments, "--results", str(tmp_path / "results")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"harness: cache {tmp_path}/file/cache: cannot be written")
    assert not (tmp_path / "results").exists()


def test_environments_are_listed_without_a_cache(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file" / "cache"))
    assert main(["env", "list"]) == 0
    assert "not built" in capsys.readouterr().out


def test_a_full_disk_fails_a_cell_and_any_other_refusal_ends_the_run(folder):
    folder.mkdir()
    full = cache.cache_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), folder, "quantize")
    assert isinstance(full, StageError) and full.kind == "disk_full" and "quantize" in full.message
    refused = cache.cache_error(OSError(errno.EROFS, os.strerror(errno.EROFS), "/c/x"), folder, "quantize")
    assert isinstance(refused, UserError) and "/c/x: Read-only file system" in str(refused)
