"""Every exit status and every kind of failure has its meaning and its advice, in one place and on every page."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import harness
from harness.__main__ import main
from harness.advice import EXIT_STATUSES, KINDS
from harness.errors import FAILURE_KINDS
from tests.commands import failures_page
from tests.results.test_results_readme import section


def test_the_page_is_written_from_the_code() -> None:
    assert failures_page.PAGE.read_text(encoding="utf-8") == failures_page.page()


def test_each_kind_has_an_advice_and_no_other() -> None:
    assert list(KINDS) == list(FAILURE_KINDS)
    assert all(advice.means and advice.do.endswith(".") for advice in (*KINDS.values(), *EXIT_STATUSES.values()))


def test_the_readme_of_the_format_has_the_same_kinds_with_the_same_meaning() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|$", section("`failure`"), re.MULTILINE))
    assert {kind: told.get(kind) for kind in KINDS} == {kind: advice.means for kind, advice in KINDS.items()}


def test_help_shows_each_exit_status(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert all(f"{status} {advice.means}" in shown for status, advice in EXIT_STATUSES.items())


def test_no_stage_raises_a_kind_that_is_none() -> None:
    """Kinds are written as text where they are raised, and a wrong one would show only when it is."""
    for path in Path(harness.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("StageError", "ChildError"):
                kind = node.args[0]
                if isinstance(kind, ast.Constant):
                    assert kind.value in FAILURE_KINDS, f"{path}:{node.lineno}"
