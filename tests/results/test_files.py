"""Files that take the place of others, and files that are none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.results import files


def test_a_file_takes_the_place_of_another_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with files.replaced(path) as new:
        new.write_text("new")
        assert path.read_text() == "old" and new.suffix == ".csv"
    assert path.read_text() == "new"
    with pytest.raises(RuntimeError), files.replaced(path) as new:
        new.write_text("half")
        raise RuntimeError
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_what_it_leads_to_is_not_written(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept")
    folder = tmp_path / "tables"
    folder.mkdir()
    path = folder / "table.csv"
    path.symlink_to(outside)
    (folder / f".new-{os.getpid()}.csv").symlink_to(outside)
    with files.replaced(path) as new:
        new.write_text("table")
    assert outside.read_text() == "kept" and path.read_text() == "table" and not path.is_symlink()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_regular_file_is_neither_read_nor_replaced(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "x.json"
    make(path)
    with pytest.raises(OSError, match="is no regular file"):
        files.content(path)
    with pytest.raises(OSError, match="is no regular file"), files.replaced(path):
        pass


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.content(tmp_path / "x.json")
