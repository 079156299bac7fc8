"""Writes ``docs/reference/cli.md``: every command with its words and options, as argparse has them.

Run from the repository's root: ``python -m tests.docs.cli_page``.
"""

from __future__ import annotations

import argparse

from harness.advice import EXIT_STATUSES
from harness.cli import COMMANDS, EVERY_STATUS, Command, _parser
from tests.docs.pages import DOCS

PAGE = DOCS / "reference" / "cli.md"

_HEAD = """\
# The command line

`harness COMMAND --help` prints what stands here. `python -m tests.docs.cli_page` writes this page from `harness/cli.py`
and `harness/commands/`.

An override is `AXIS=OPTION,...` (these options, in the place of the suite's), `+AXIS=OPTION` (one more) or
`AXIS.FIELD=VALUE,...` (a field of each option; several values are several options). The axes and their fields are in
[the configuration](config.md).
"""

_STATUS = f"""\
## Exit status

Each command can end with {", ".join(map(str, EVERY_STATUS))}; the others stand with their commands.
[What each status asks you to do](failures.md#exit-status-of-every-command).

| status | meaning |
|:--|:--|
"""


def page() -> str:
    """Return the whole page."""
    lines = [f"| {status} | {advice.means} |" for status, advice in EXIT_STATUSES.items()]
    return "\n".join([_HEAD, *map(_section, COMMANDS), _STATUS + "\n".join(lines), ""])


def _section(command: Command) -> str:
    parser = _of(command.name)
    shown = [action for action in parser._actions if action.help is not argparse.SUPPRESS and action.dest != "help"]
    words = [action for action in shown if not action.option_strings]
    options = [action for action in shown if action.option_strings]
    usage = " ".join(["harness", command.name, *map(_word, words), *(["[OPTION ...]"] if options else [])])
    rows = [f"| `{_name(action)}` | {_help(parser, action)} |" for action in (*words, *options)]
    return "\n".join(
        [
            f"## `harness {command.name}`",
            "",
            f"{command.summary[0].upper()}{command.summary[1:]}.",
            "",
            "```text",
            usage,
            f"Example: {command.example}",
            "```",
            "",
            "| word or option | meaning |",
            "|:--|:--|",
            *rows,
            "",
            *_statuses(command),
        ]
    )


def _statuses(command: Command) -> list[str]:
    """Return the lines on the exit statuses that not every command has."""
    said = [f"{status}: {means}" for status, means in command.statuses.items()]
    return [f"Exit status: {'; '.join(said)}.", ""] if said else []


def _of(name: str) -> argparse.ArgumentParser:
    (commands,) = (action for action in _parser(name)._actions if isinstance(action, argparse._SubParsersAction))
    return commands.choices[name]


def _word(action: argparse.Action) -> str:
    name = _metavar(action)
    return {"?": f"[{name}]", "*": f"[{name} ...]", "+": f"{name} [{name} ...]"}.get(str(action.nargs), name)


def _name(action: argparse.Action) -> str:
    if not action.option_strings:
        return _metavar(action)
    value = "" if action.nargs == 0 else f" {_metavar(action)}"
    return ", ".join(action.option_strings) + value


def _metavar(action: argparse.Action) -> str:
    if action.metavar:
        return str(action.metavar)
    # A pipe would end the table's column.
    return "/".join(map(str, action.choices)) if action.choices else action.dest.upper()


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = parser._get_formatter()._expand_help(action) if action.help else ""
    if not text and action.choices:
        text = f"one of {', '.join(map(str, action.choices))}; else {action.default}"
    return text.replace("|", "\\|").replace("[", "\\[").replace("*", "\\*").replace("_", "\\_").replace("<", "\\<")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
