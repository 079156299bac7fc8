"""What is printed steers no terminal, is never read as markup, and needs no terminal that has more than ASCII."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.padding import Padding
from rich.table import Table

from harness.text import terminal
from harness.text.printable import plain, safe_lines
from harness.text.terminal import Console, Text

PACKAGE = Path(terminal.__file__).parents[1]

#: What a terminal would obey or not show: colours, a title, a bell, a line of its own, text that runs backwards.
HOSTILE = "\x1b[31m\x1b]0;title\x07\x9b2J\r\n\t\x00\x7f\u202e\u2066\u200b\ufeff\u2028\ud800\U000e0041"

ANY = st.text(st.characters(), max_size=20)


def test_each_hostile_character_is_shown_as_its_escape() -> None:
    assert plain("a\x1b[31m\n\u202e\ud800\U000e0041b\x9b") == "a\\x1b[31m\\n\\u202e\\ud800\\U000e0041b\\x9b"


@given(ANY)
def test_printable_text_stays_as_it_is_and_nothing_else_passes(text: str) -> None:
    shown = plain(text)
    assert plain(shown) == shown
    assert not set(shown) & set(HOSTILE) - set("[31m]0;title2J")
    shown.encode()
    if text.isprintable():
        assert shown == text
    assert safe_lines(text).count("\n") == text.count("\n")


@pytest.mark.parametrize("text", ["größe 日本語", "\N{NO-BREAK SPACE}", "می\u200cخواهم", "👩\u200d🔬", "a\\x1b"])
def test_scripts_of_people_stay_as_they_are(text: str) -> None:
    assert plain(text) == text


def printed(*things: object, width: int = 200, **options: object) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=True, color_system=None).print(*things, **options)
    return stream.getvalue()


def table() -> Table:
    shown = Table(box=None)
    shown.add_column(HOSTILE)
    shown.add_column(Text(HOSTILE))
    shown.add_row(HOSTILE, Text(HOSTILE))
    return shown


@pytest.mark.parametrize(
    "thing",
    [
        HOSTILE,
        Text(HOSTILE),
        Text.assemble("a ", (HOSTILE, "bold"), Text(HOSTILE)),
        Text("a").append(HOSTILE),
        Text("a") + Text(HOSTILE),
        terminal.lines([Text(HOSTILE), Text(HOSTILE)]),
        Padding(Text(HOSTILE), (0, 2)),
        table(),
        Padding(HOSTILE, 1),
    ],
    ids=["str", "Text", "assembled", "appended", "added", "lines", "padded_text", "table", "padded_str"],
)
def test_no_way_through_the_console_lets_a_control_character_pass(thing: object) -> None:
    text = printed(thing, soft_wrap=True)
    assert not set(text) & (set(HOSTILE) - set("[31m]0;title2J\n"))
    assert "\\x1b" in text


def test_text_of_a_record_is_one_line() -> None:
    assert printed(Text("one\ntwo")) == "one\\ntwo\n"
    assert printed(terminal.lines([Text("one"), Text("two")])) == "one\ntwo\n"


def test_nothing_is_read_as_markup_or_as_an_emoji() -> None:
    assert printed("[red]x[/red] :smile:", Text("[bold]y")) == "[red]x[/red] :smile: [bold]y\n"


@pytest.mark.parametrize("columns", ["0", "1", "19"])
def test_a_console_has_some_width(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert Console(file=io.StringIO()).width >= terminal.NARROWEST


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_every_encoding_gets_what_it_can_show(tmp_path: Path, encoding: str) -> None:
    words = "größe 日本 ✗ · a\u0300"
    program = f"import sys; from harness.__main__ import main; sys.exit(main(['table', '--results', {words!r}]))"
    variables = {"PYTHONIOENCODING": encoding, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(PACKAGE.parent)}
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, env=variables, cwd=tmp_path)
    shown = {"ascii": "gr??e ?? x - a?", "latin-1": "größe ?? x · a?", "utf-8": words}[encoding]
    assert ended.returncode == 2
    assert ended.stderr.decode(encoding).startswith(f"harness: {shown}/runs: no run is there yet")
    assert ended.stderr.count(b"\n") == 1


def test_a_message_with_a_hostile_name_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from harness.__main__ import main

    assert main(["status", "--results", str(tmp_path), "a" + HOSTILE.replace("\0", "")]) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1 and error.strip().isprintable()
    assert "\\x1b[31m" in error


def test_only_the_terminal_module_takes_rich_s_console_and_text_and_prints() -> None:
    """Everything else gets them from there; programs that a backend's python runs have no terminal."""
    apart = {"worker", "backends", "models", "tasks", "tuning", "optimization", "approaches"}
    found = []
    for path in PACKAGE.rglob("*.py"):
        if path == Path(terminal.__file__) or path.relative_to(PACKAGE).parts[0] in apart:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [name.name for name in getattr(node, "names", ())]
            if isinstance(node, ast.ImportFrom) and node.module in ("rich.console", "rich.text", "rich"):
                found += [f"{path.name}: {name}" for name in names if name in ("Console", "Text", "print")]
            if isinstance(node, ast.Import):
                found += [f"{path.name}: {name}" for name in names if name in ("rich.console", "rich.text")]
    assert found == []
