"""Terminals as there are: narrow and wide ones, without colours, and locales without Unicode."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from harness.__main__ import main
from tests.backend_env import REPOSITORY
from tests.commands.test_compare_command import A, B, store_run
from tests.commands.test_trials_command import KEY, store_trials
from tests.publish.sample_run import RUN, quickstart
from tests.results.store_sample import store_sample
from tests.results.trend_runs import Day, write_days

WIDTHS = (20, 40, 79, 132, 400)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with results of several kinds."""
    folder = tmp_path_factory.mktemp("terminals")
    store_sample(folder / "sample", quickstart().records())
    store_trials(folder / "trials")
    store_run(folder / "compared", A, other=B)
    store_run(folder / "compared", B, other=A, int8=1.5)
    write_days(folder / "trend", [Day(), Day(logits="b", wrong=frozenset(range(90)))])
    return folder


COMMANDS = {
    "plan": ["plan", "suite=quickstart"],
    "env": ["env", "list"],
    "status": ["status", RUN, "--results", "sample"],
    "trials": ["trials", KEY, "--results", "trials", "--out", "-"],
    "trend": ["trend", "--metric", "accuracy", "--no-pictures", "--results", "trend"],
    "compare": ["compare", A, B, "--stored", "--results", "compared"],
    "table": ["table", RUN, "--results", "sample"],
}


def printed(root: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.chdir(root)
    monkeypatch.setenv("HARNESS_CACHE", str(root / "cache"))
    assert main(COMMANDS[command]) == {"status": 3, "compare": 1}.get(command, 0)
    return capsys.readouterr().out


def letters(text: str) -> Counter[str]:
    """Return the letters and digits, however lines are broken."""
    return Counter(re.findall(r"\w", text))


@pytest.mark.parametrize("command", ["plan", "env", "status", "trend"])
def test_no_width_takes_anything_from_a_table(root, monkeypatch, capsys, command) -> None:
    shown = {}
    for width in WIDTHS:
        monkeypatch.setenv("COLUMNS", str(width))
        shown[width] = letters(printed(root, command, monkeypatch, capsys))
    assert all(one == shown[400] for one in shown.values())


@pytest.mark.slow
@pytest.mark.parametrize("command", ["trials", "compare", "table"])
def test_figures_are_never_broken(root, monkeypatch, capsys, command) -> None:
    wide = {"trials": "89.20", "compare": "slower", "table": "ptq_static"}[command]
    for width in WIDTHS:
        monkeypatch.setenv("COLUMNS", str(width))
        assert wide in printed(root, command, monkeypatch, capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_escape_sequence_is_printed_where_no_terminal_is(root, monkeypatch, capsys, command) -> None:
    assert "\x1b" not in printed(root, command, monkeypatch, capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_colour_is_printed_where_none_is_wanted(root, monkeypatch, capsys, command) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*(3|4)[0-9]m", printed(root, command, monkeypatch, capsys))


@pytest.mark.slow
@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C.UTF-8"},
        {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "latin-1"},
    ],
)
def test_a_locale_changes_nothing_that_is_read_or_written(root, locale) -> None:
    """The table of a run, of which the files are compared with those that this process, which has UTF-8, writes."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    variables |= {"PYTHONPATH": str(REPOSITORY), **locale}
    command = [sys.executable, "-m", "harness", "table", RUN, "--results", str(root / "sample")]
    finished = subprocess.run([*command, "--out", str(root / "out")], capture_output=True, env=variables, check=False)
    assert finished.returncode == 0, finished.stderr
    assert main(["table", RUN, "--results", str(root / "sample"), "--out", str(root / "here")]) == 0
    for name in (f"{RUN}.md", f"{RUN}.csv", f"{RUN}.parquet", f"{RUN}.svg"):
        assert (root / "out" / name).read_bytes() == (root / "here" / name).read_bytes()
