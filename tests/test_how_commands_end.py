"""How a command ends badly: one line, the documented exit status, and a report of what nobody foresaw."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import cli, faults
from harness.__main__ import main
from harness.errors import StageError, UserError, shortened, shown
from harness.text.printable import is_plain, plain

PLAN = f"{sys.executable} -m harness plan task=sentiment approach=fp32"


class Nameless(Exception):
    """An error that cannot even tell what it is."""

    def __str__(self) -> str:
        raise ValueError("no text")


def shell(command: str, **variables: str) -> subprocess.CompletedProcess:
    env = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | variables
    return subprocess.run(command, shell=True, capture_output=True, text=True, check=False, env=env)


def ended(monkeypatch, capsys, error: BaseException) -> tuple[int, str]:
    """Return the exit status and the only line on standard error of a command that meets an error."""

    def run(arguments: list[str]) -> int:
        raise error

    monkeypatch.setattr(cli, "run", run)
    status = main(["plan", "some=override"])
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert line.startswith("harness: ") and len(line) <= 400 and is_plain(line)
    return status, line


@pytest.mark.parametrize(
    "error", [KeyError("x"), MemoryError(), RecursionError("deep"), Nameless(), ZeroDivisionError()]
)
def test_what_nobody_foresaw_is_one_line_and_a_report(monkeypatch, capsys, tmp_path, error):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    status, line = ended(monkeypatch, capsys, error)
    assert status == 70
    assert f"{type(error).__name__}" in line and "a fault of the harness, not yours" in line
    (report,) = (tmp_path / "cache" / "logs").iterdir()
    assert line.endswith(f"the full report is in {report}")
    content = report.read_text()
    assert "Traceback" in content and "['plan', 'some=override']" in content and type(error).__name__ in content
    assert report.stat().st_mode & 0o777 == 0o600


def test_a_report_goes_to_the_temporary_folder_where_the_cache_takes_none(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    status, line = ended(monkeypatch, capsys, KeyError("x"))
    (report,) = (tmp_path / "temporary").iterdir()
    assert status == 70 and line.endswith(str(report))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    status, line = ended(monkeypatch, capsys, KeyError("x"))
    assert status == 70 and "no report could be written; it was at test_how_commands_end.py:" in line


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (UserError("x" * 5000 + "; did you mean 'y'?"), 2, "; did you mean 'y'?"),
        (UserError("a\nb\x1b[31m\u202ec\udcff"), 2, r"harness: a b\x1b[31m\u202ec\udcff"),
        (StageError("disk_full", "torch: no space"), 2, "harness: disk_full: torch: no space"),
        (PermissionError(errno.EACCES, "Permission denied", "/some/file"), 2, "harness: /some/file: Permission denied"),
        (FileExistsError(errno.EEXIST, "File exists", "a", None, "b"), 2, "harness: a -> b: File exists"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "standard output, or a file: No space left on device"),
        (OSError("of nowhere"), 70, "OSError: of nowhere: this is a fault of the harness"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), 70, "this is a fault of the harness"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_each_error_has_its_status_and_its_line(monkeypatch, capsys, tmp_path, error, status, words):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    found, line = ended(monkeypatch, capsys, error)
    assert found == status and words in line


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_changes_nothing_else(closed, tmp_path):
    finished = shell(f"{PLAN} --json {closed}; echo $? > {tmp_path / 'status'}")
    assert (tmp_path / "status").read_text() == "0\n" and finished.stderr == ""
    assert finished.stdout.startswith("{") == (closed == "2>&-")


def test_what_is_opened_does_not_get_the_number_of_a_closed_stream(tmp_path):
    program = (
        "from harness import faults; import os, sys; faults.prepare(); print('lost', flush=True);"
        f"path = {str(tmp_path / 'kept')!r}; number = os.open(path, os.O_CREAT | os.O_WRONLY); assert number > 2;"
        "os.system('echo of a child'); os.write(number, b'kept')"
    )
    finished = shell(f"{sys.executable} -c {program!r} <&- >&- 2>&-")
    assert finished.returncode == 0 and (tmp_path / "kept").read_text() == "kept"


@pytest.mark.slow
def test_a_full_standard_output_is_one_line_and_exit_2():
    for more in ("", "--json"):
        finished = shell(f"{PLAN} {more} > /dev/full")
        assert finished.returncode == 2
        (line,) = finished.stderr.splitlines()
        assert line.startswith("harness: standard output") and line.endswith(": No space left on device")
    assert shell(f"{PLAN} > /dev/full 2> /dev/full").returncode == 2
    assert shell(f"{sys.executable} -m harness nothing 2> /dev/full").returncode == 2


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        *((text, None) for text in ("0", "00", "abc", "-5", "9" * 5000, "²", "", "1e3", " 80")),
        *(("1", "20"), ("19", "20"), ("20", "20"), ("400", "400"), ("999999999", "1000")),
    ],
)
def test_a_width_has_room_for_a_table_or_is_not_taken(monkeypatch, told, taken):
    monkeypatch.setenv("COLUMNS", told)
    faults.prepare()
    assert os.environ.get("COLUMNS") == taken


@pytest.mark.slow
def test_a_width_of_nothing_breaks_no_table():
    finished = [shell(PLAN, **columns) for columns in ({}, {"COLUMNS": "0"}, {"COLUMNS": "1"})]
    assert [(one.returncode, one.stderr) for one in finished] == [(0, "")] * 3
    assert finished[0].stdout == finished[1].stdout != finished[2].stdout


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_is_exit_2_and_named(tmp_path):
    (tmp_path / "file").touch()
    for command in ("env build torch", "run task=sentiment approach=fp32"):
        finished = shell(
            f"{sys.executable} -m harness {command} --results {tmp_path / 'results'}",
            HARNESS_CACHE=str(tmp_path / "file" / "cache"),
        )
        assert finished.returncode == 2 and finished.stdout == ""
        assert str(tmp_path / "file") in finished.stderr.splitlines()[-1]
        assert "Traceback" not in finished.stderr and not (tmp_path / "results").exists()


def test_a_user_without_a_home_is_told_how_to_name_a_cache(monkeypatch, capsys):
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("HARNESS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", staticmethod(no_home))
    assert main(["env", "list"]) == 2
    assert "no home folder for the cache; HARNESS_CACHE names another" in capsys.readouterr().err


def test_a_home_that_cannot_be_written_is_not_talked_of():
    program = "from harness import faults; faults.prepare(); import matplotlib; print(matplotlib.get_cachedir())"
    finished = shell(f"{sys.executable} -c '{program}'", HOME="/proc/nobody", XDG_CACHE_HOME="", XDG_CONFIG_HOME="")
    assert finished.returncode == 0 and finished.stderr == "" and finished.stdout


def test_a_current_folder_that_is_gone_is_said(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    finished = shell(f"cd {gone}; rmdir {gone}; {sys.executable} -c 'import sys; from harness.__main__ import main;"
                     " sys.exit(main([\"plan\"]))'", PYTHONPATH=str(Path(cli.__file__).parents[1]))  # fmt: skip
    assert finished.returncode == 2
    assert finished.stderr == "harness: the current folder is not there any more; change to another one\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare", "now", "now", "--pairs", "1" + "0" * 20],
        ["compare", "now", "now", "--pairs", "10**20"],
        ["compare", "now", "now", "--pairs", "9" * 5000],
        ["compare", "now", "now", "--pairs", "1"],
        ["aa", "--pairs", "1" + "0" * 20],
        ["compare", "now", "now", "--margin", "nan"],
        ["plan\0"],
        ["plan", "--host", "\0"],
        ["x" * 5000],
        ["table", "x" * 5000],
        ["plan", "--host", "x" * 5000],
        ["env", "build", "../x"],
        ["env", "list", "x" * 5000],
        ["plan", "--results", "x", "--jso=1"],
    ],
)
def test_arguments_that_mean_nothing_are_refused_at_once(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    assert main([*arguments, "--results", str(tmp_path / "results")]) == 2
    shown = capsys.readouterr()
    (line,) = shown.err.splitlines()
    assert shown.out == "" and len(line) <= 400
    assert not list(tmp_path.iterdir())


@given(st.text(), st.integers(20, 100))
def test_a_shown_text_is_short_and_on_one_line(text, most):
    assert is_plain(plain(text)) and is_plain(shown(text)) and len(shown(text)) <= 60
    short = shortened(text, most)
    assert len(short) <= most and (short == text or short[:10] + short[-5:] == text[:10] + text[-5:])
