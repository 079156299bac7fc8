"""A marker and a list of files that are gone, cut off or of something else are damage, never a crash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.execute.environments import manifest


@pytest.fixture
def built(tmp_path) -> Path:
    """Return a folder that looks like an environment with two packages."""
    folder = tmp_path / "built"
    site = folder / "lib" / "python3.11" / "site-packages"
    for package in ("Tiny.One", "tiny_two"):
        (site / package).mkdir(parents=True)
        (site / f"{package}-1.0.dist-info").mkdir()
        (site / package / "code.py").write_text("x = 1\n")
        rows = [f"{package}/code.py,sha256=x,6", f"{package}-1.0.dist-info/RECORD,,", f"../../../bin/{package},,"]
        (site / f"{package}-1.0.dist-info" / "RECORD").write_text("\n".join(rows))
        (folder / "bin").mkdir(exist_ok=True)
        (folder / "bin" / package).write_text("script")
    (site / "tiny_two" / "code.pyc").write_text("compiled")
    (folder / "bin" / "python").symlink_to("/usr/bin/env")
    manifest.write(folder, "tiny", "0123", "a note")
    return folder


def _damage(folder: Path) -> str | None:
    return manifest.damage(folder, manifest.read(folder))


CODE = "lib/python3.11/site-packages/tiny_two/code.py"


def test_what_was_written_is_read(built):
    marker = manifest.read(built)
    assert (marker.name, marker.lock, marker.note, marker.files) == ("tiny", "0123", "a note", 6)
    assert _damage(built) is None
    assert manifest.changed_packages(built) == []
    (built / CODE).with_suffix(".pyc").unlink()  # Python makes it anew
    (built / "more").write_text("a framework's own cache")
    assert _damage(built) is None


def test_a_file_that_is_gone_is_seen_and_not_taken_for_changed(built):
    (built / CODE).unlink()
    assert _damage(built) == f"{CODE} is gone or has another size"
    assert manifest.changed_packages(built) == []


@pytest.mark.parametrize(
    ("name", "packages"),
    [(CODE, ["tiny-two"]), ("bin/Tiny.One", ["tiny-one"])],
)
def test_a_changed_file_names_its_package(built, name, packages):
    (built / name).write_text("")
    assert _damage(built) == f"{name} is gone or has another size"
    assert manifest.changed_packages(built) == packages


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "files.txt, the list of its files, is gone or was never written (by an older harness)"),
        ("", "files.txt, the list of its files, is cut off"),
        (f"6\t{CODE}\n", "files.txt, the list of its files, is cut off"),
        ("rubbish\n" * 6, " is gone or has another size"),
        (f"{'9' * 5000}\t{CODE}\n" * 6, f"{CODE} is gone or has another size"),
        ("6\ta\0b\n" * 6, "a\0b is gone or has another size"),
    ],
)
def test_a_list_of_files_that_is_damaged(built, text, words):
    (built / manifest.FILES).unlink()
    if text is not None:
        (built / manifest.FILES).write_text(text)
    assert _damage(built) == words
    assert manifest.changed_packages(built) in ([], ["tiny-two"])


def test_a_python_that_is_gone(built):
    (built / "bin" / "python").unlink()
    assert _damage(built) == "its python is gone"


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "3", "null", "{}", '{"name": "x"}', '{"name": "x", "lock": 3, "size_bytes": 1}', "\x00\xff"),
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_a_marker_of_something_else_is_none(built, text):
    (built / manifest.MARKER).write_bytes(text.encode("latin-1"))
    assert manifest.read(built) is None


def test_a_marker_of_an_earlier_harness_is_read(built):
    (built / manifest.MARKER).write_text(json.dumps({"name": "x", "lock": "0123", "size_bytes": 5}))
    assert manifest.read(built) == manifest.Marker("x", "0123", 5, None, None)
    assert _damage(built) is None
