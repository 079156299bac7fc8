"""The command line: its help, its mistakes, its exit statuses, and what it says before it begins."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.__main__ import main
from harness.cli import COMMANDS
from harness.execute import cache


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_help_shows_a_real_example(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"Example: harness {command}" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rnu"], "did you mean 'run'"),
        (["plan", "--jsno"], "--jsno"),
        (["plan", "suite=quickstart", "--jsno", "task=sentiment"], "--jsno"),
        (["doctor", "--results", "r", "x=y"], "x=y"),
        (["env", "biuld"], "invalid choice"),
        (["env", "build", "trch"], "did you mean 'torch'"),
        (["env", "remove"], "name the environments"),
        (["table", "--results", "nowhere"], "no run is there yet"),
        (["plan", "--project", "nowhere"], "nowhere: no such folder"),
        (["plan", "--project", ""], "--project: want a folder; the current one is ."),
        (["table", "--results", ""], "--results: want a folder; the current one is ."),
        (["env", "remove", "--results", "r", "trch"], "did you mean 'torch'"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(arguments, words, capsys):
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.strip().splitlines()
    assert words in line


def test_overrides_may_stand_on_both_sides_of_an_option(capsys):
    for line in (["task=sentiment", "--json", "backend=fx"], ["task=sentiment", "backend=fx", "--json"]):
        assert main(["plan", *line]) == 0
        shown = capsys.readouterr().out
        assert "minilm/sentiment" in shown and "reuters_r8" not in shown
        assert "eager/none" not in shown


def test_too_little_disk_is_said_before_anything_is_built(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "NEEDED_BYTES", 2**60)
    assert main(["run", "suite=quickstart", "--results", str(tmp_path / "results")]) == 2
    assert "GiB free" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_a_reader_that_goes_away_is_no_error():
    finished = subprocess.run(
        f"{sys.executable} -m harness plan --json | head -c 10", shell=True, capture_output=True, text=True, check=False
    )
    assert finished.stdout.startswith("{") and finished.stderr == ""
