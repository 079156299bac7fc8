"""An artefact is made once, appears only when it is finished, and is made again when its bytes have changed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.execute.artefacts.store import Artefacts
from tests.backend_env import REPOSITORY


def _make(out: Path) -> dict:
    (out / "inner").mkdir()
    (out / "model.bin").write_bytes(b"x" * 1000)
    (out / "inner" / "result.json").write_text('{"payload": true}')
    return {"executed": "int8"}


def _change(folder: Path, old: str, new: str) -> None:
    text = (folder / "result.json").read_text()
    assert old in text
    (folder / "result.json").write_text(text.replace(old, new))


def _refuse(out: Path) -> dict:
    raise AssertionError("made twice")


def test_made_once_and_found_again(tmp_path):
    first = Artefacts(tmp_path).ensure("quantize", "k", _make)
    assert (first.reused, first.result, first.size_bytes) == (False, {"executed": "int8"}, 1000 + 17)
    for again in (Artefacts(tmp_path), Artefacts(tmp_path)):
        found = again.ensure("quantize", "k", _refuse)
        assert (found.reused, found.path, found.result, found.size_bytes, found.seconds) == (
            True,
            first.path,
            first.result,
            first.size_bytes,
            first.seconds,
        )
    assert not Artefacts(tmp_path).ensure("quantize", "other", _make).reused
    assert not Artefacts(tmp_path).ensure("finetune", "k", _make).reused


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "model.bin").write_bytes(b"x" * 999 + b"y"), "model.bin"),
        (lambda folder: (folder / "model.bin").unlink(), "model.bin"),
        (lambda folder: (folder / "inner" / "result.json").write_text('{"payload": "no"}'), "inner/result.json"),
        (lambda folder: (folder / "more").write_text(""), "more"),
        (lambda folder: (folder / "result.json").write_text('{"result": {}, "fil'), "result.json"),
        (lambda folder: (folder / "result.json").write_text("[]"), "result.json"),
        (lambda folder: (folder / "result.json").write_text('{"files": {}, "seconds": 1}'), "result.json"),
        (lambda folder: (folder / "result.json").unlink(), "result.json"),
        (lambda folder: _change(folder, "int8", "fp32"), "result.json did not have the recorded hash"),
        (lambda folder: _change(folder, '"seconds": ', '"seconds": 1'), "result.json did not have the recorded hash"),
        (lambda folder: _change(folder, '"sha256"', '"sha257"'), "result.json could not be read"),
    ],
    ids=range(11),
)
def test_a_damaged_one_is_moved_aside_and_made_again_with_a_note(tmp_path, damage, words):
    made = Artefacts(tmp_path).ensure("quantize", "k", _make)
    damage(made.path)
    again = Artefacts(tmp_path).ensure("quantize", "k", _make)
    assert not again.reused
    assert again.result == made.result
    assert words in json.loads((again.path / "result.json").read_text())["note"]
    assert (tmp_path / "quantize-k.damaged").is_dir()
    assert Artefacts(tmp_path).ensure("quantize", "k", _refuse).reused


def test_sizes_are_looked_at_each_time_and_hashes_once_a_process(tmp_path):
    store = Artefacts(tmp_path)
    made = store.ensure("quantize", "k", _make)
    (made.path / "model.bin").write_bytes(b"y" * 1000)
    assert store.ensure("quantize", "k", _refuse).reused
    (made.path / "model.bin").write_bytes(b"y" * 1001)
    assert not store.ensure("quantize", "k", _make).reused


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("x")])
def test_what_could_not_be_made_leaves_nothing(tmp_path, error):
    def fail(out: Path) -> dict:
        (out / "half").write_text("half")
        raise error

    with pytest.raises(type(error)):
        Artefacts(tmp_path).ensure("quantize", "k", fail)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_killed_maker_leaves_only_what_the_next_one_removes(tmp_path):
    source = f"""
import os, signal
from pathlib import Path
from harness.execute.artefacts.store import Artefacts

def make(out):
    (out / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)

Artefacts(Path({str(tmp_path)!r})).ensure("quantize", "k", make)
"""
    finished = subprocess.run([sys.executable, "-c", source], cwd=REPOSITORY, check=False)
    assert finished.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] != []
    assert Artefacts(tmp_path).list() == []
    made = Artefacts(tmp_path).ensure("quantize", "k", _make)
    assert not made.reused
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == [made.path]


def test_two_at_once_make_it_once(tmp_path):
    made = []

    def make(out: Path) -> dict:
        made.append(os.getpid())
        return _make(out)

    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(Artefacts(tmp_path).ensure, "quantize", "k", make) for _ in range(2)]
    assert sorted(job.result().reused for job in jobs) == [False, True]
    assert len(made) == 1


def test_they_are_listed_and_removed(tmp_path):
    store = Artefacts(tmp_path)
    paths = [store.ensure("quantize", key, _make).path for key in ("a", "b")]
    (paths[0] / "model.bin").unlink()
    Artefacts(tmp_path).ensure("quantize", "a", _make)
    assert store.list() == paths
    store.remove(paths[0])
    assert store.list() == paths[1:]
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == paths[1:]
    assert not Artefacts(tmp_path).ensure("quantize", "a", _make).reused


def test_a_result_that_is_no_json_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        Artefacts(tmp_path).ensure("quantize", "k", lambda out: {"x": float("nan")})
    assert Artefacts(tmp_path).list() == []
