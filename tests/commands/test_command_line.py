"""The command line: its help, its mistakes, its exit statuses, and what it says before it begins."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from harness import cache
from harness.__main__ import main
from harness.advice import EXIT_STATUSES
from harness.cli import COMMANDS, GROUPS, Command, whole_parser

ROOT = Path(__file__).resolve().parents[2]

#: Their examples measure, install or write below the home folder: only their words are checked.
UNTRIED = ("env", "run", "compare", "trend", "aa", "rerun", "completion")


@pytest.mark.parametrize("command", COMMANDS, ids=[command.name for command in COMMANDS])
def test_help_shows_an_example_in_one_line_and_the_exit_statuses(command: Command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    with pytest.raises(SystemExit) as end:
        main([command.name, "--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert f"\nExample: {command.example}\n" in shown and command.example.startswith(f"harness {command.name}")
    told = " ".join(shown.split()).partition("Exit status: ")[2]
    wanted = {status: EXIT_STATUSES[status].means for status in (0, 2, 70, 130)} | dict(command.statuses)
    assert all(f"{status} {means}" in told for status, means in wanted.items())
    assert "141" not in told and ("3 " in told) == (3 in command.statuses)


def test_help_groups_the_commands_by_what_a_person_wants(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    rest = capsys.readouterr().out
    for group, words in GROUPS.items():
        _, heading, rest = rest.partition(f"\n  {group}: {words}\n")
        assert heading
        for command in (one for one in COMMANDS if one.group == group):
            _, name, rest = rest.partition(f"\n    {command.name}" if rest[:4] != "    " else f"    {command.name}")
            assert name
    assert {command.group for command in COMMANDS} == set(GROUPS)


@pytest.mark.parametrize("command", COMMANDS, ids=[command.name for command in COMMANDS])
def test_an_example_has_words_that_the_command_knows(command: Command):
    words = shlex.split(command.example.partition(" > ")[0])[1:]
    parsed, rest = whole_parser().parse_known_args(words)
    assert parsed.command == command.name
    assert not any(word.startswith("-") for word in rest)


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.name not in UNTRIED], ids=lambda one: one.name)
def test_an_example_works_on_the_results_of_the_repository(command: Command, tmp_path, monkeypatch, capsys):
    for name in ("conf", "suites"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "results").mkdir()
    for folder in (ROOT / "results").iterdir():
        if folder.name in ("runs", "hosts"):
            (tmp_path / "results" / folder.name).symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    status = main(shlex.split(command.example)[1:])
    assert status in (0, *command.statuses), capsys.readouterr().err


def test_a_command_that_is_gone_names_what_does_its_work(capsys):
    assert main(["tune", "suite=tuning"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no command 'tune' any more" in line and "harness run suite=tuning" in line


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
