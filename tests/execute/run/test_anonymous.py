"""Records hold no absolute path of the machine that made them; what a folder's path is only a part of stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.execute.process.request import ChildError
from harness.execute.run.anonymous import home, shortener
from harness.execute.run.recorder import Ledger
from harness.execute.run.view import View
from harness.results import store
from tests.execute.process.stand_ins import cell
from tests.results.records import sample_records

FOLDERS = [("<code>", Path("/srv/a b/code")), ("<cache>", Path("/home/ann/.cache/lowp")), ("~", Path("/home/ann"))]

short = shortener(FOLDERS)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('File "/srv/a b/code/harness/x.py", line 3', 'File "<code>/harness/x.py", line 3'),
        ("see /home/ann/.cache/lowp/logs/r/measure.log", "see <cache>/logs/r/measure.log"),
        ("/home/ann/models/x: no such model folder", "~/models/x: no such model folder"),
        ("PosixPath('/home/ann')", "PosixPath('~')"),
        ("no folder /home/ann.", "no folder ~."),
        ("(/home/ann),/home/ann;a=/home/ann:/home/ann/b", "(~),~;a=~:~/b"),
        ("file:///home/ann/x", "file://~/x"),
        ("cc -I/home/ann/include -L/home/ann", "cc -I~/include -L~"),
        # Of these it is a part only.
        ("/home/anna /home/ann-b /home/ann.d/x /mnt/home/ann/x ./home/ann x/home/ann", None),
        ("/usr/lib/python3.11/json/__init__.py", None),
        ("", None),
    ],
)
def test_a_path_is_named_from_the_innermost_folder(text, wanted):
    assert short(text) == (text if wanted is None else wanted)
    assert short(short(text)) == short(text)


@given(st.lists(st.sampled_from([*(str(folder) for _, folder in FOLDERS), "/", "x", " ", "\n", '"', "a.py", "."])))
def test_no_folder_is_left_where_a_path_may_begin(pieces):
    text = " ".join(pieces)
    for _, folder in FOLDERS:
        assert f" {folder}/" not in short(f" {text}") and f" {folder} " not in short(f" {text} ")


def test_links_and_the_root_of_the_file_system(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    both = shortener([("<cache>", link), ("<code>", loop), ("/", Path("/"))])
    assert both(f"{link}/a {real}/b {loop}/c /etc/passwd") == "<cache>/a <cache>/b <code>/c /etc/passwd"
    assert shortener([])("/etc") == "/etc" and shortener([("x", Path("/"))])("/etc") == "/etc"


def test_home_may_be_unknown(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    assert home() == [("~", Path("/home/ann"))]
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert home() == []


class _Told(View):
    """Keeps what is told on the terminal."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)

    def trial(self, cell: str, trial: Any) -> None:
        self.lines.append(trial["message"])


def test_failures_and_trials_are_written_without_and_told_with_their_paths(tmp_path):
    header = sample_records.header()
    told = _Told()
    with store.RunWriter.create(tmp_path, header) as writer:
        ledger = Ledger(writer, [header], told, short)
        ledger.failure(cell(), "measure", ChildError("crash", "see /home/ann/.cache/lowp/x.log", "at /home/ann/y\n"), 0)
        ledger.trial(cell(), {**_trial(), "message": "/home/ann/z: no"})
    text = store.find_run(tmp_path).read_text()
    failure, trial = (json.loads(line) for line in text.splitlines()[1:])
    assert (failure["message"], failure["log_tail"]) == ("see <cache>/x.log", "at ~/y\n")
    assert trial["message"] == "~/z: no" and "/home/ann" not in text
    assert "/home/ann/.cache/lowp/x.log" in told.lines[0] and told.lines[1] == "/home/ann/z: no"


def _trial() -> dict[str, Any]:
    return {
        name: value
        for name, value in sample_records.trial().items()
        if name not in ("type", "schema", "time", "cell", "cell_digest")
    }
