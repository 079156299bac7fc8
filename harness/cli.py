"""The command line: its words and options. What each command does stands in `harness/commands/`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from harness import registry
from harness.advice import EXIT_STATUSES
from harness.errors import UserError, nearest, shown


@dataclass(frozen=True)
class Command:
    """One word of the command line. Its module offers ``run(arguments) -> exit status`` and may add options.

    Attributes
    ----------
    group : what a person wants of it, one of `GROUPS`.
    example : a whole command line that works in a checkout of the harness.
    statuses : exit status -> what it means here, of those that not every command has (see `EVERY_STATUS`).
    """

    name: str
    group: str
    summary: str
    example: str
    statuses: Mapping[int, str] = field(default_factory=dict)
    takes_overrides: bool = False


#: What a person wants -> the words of ``harness --help`` for it, in the order in which they stand there.
GROUPS = {
    "look": "see what is there, and what would be done",
    "run": "measure",
    "compare": "find out what changed",
    "publish": "show and pass on what was measured",
    "set up": "set up the shell",
}

_EXAMPLE = "Example:"

#: Exit statuses that each command can end with.
EVERY_STATUS = (0, 2, 70, 130)

COMMANDS = (
    Command("doctor", "look", "say what this host is and what will make its timings untrustworthy", "harness doctor"),
    Command(
        "plan",
        "look",
        "show the cells of a suite, and each excluded one with its reason",
        "harness plan suite=quickstart backend=fx,eager approach.calibration.samples=50,100",
        takes_overrides=True,
    ),
    Command(
        "status",
        "look",
        "show what of a run is done, failed and left",
        "harness status",
        {3: "some cell failed"},
    ),
    Command("env", "look", "list, build or remove the pinned environments of the backends", "harness env build torch"),
    Command(
        "run",
        "run",
        "run a suite on this host, or go on with its interrupted run, tune the cells with a tuner, and print the table",
        "harness run suite=quickstart protocol=smoke",
        {1: "some gate failed", 3: "some cell failed", 4: "some gate is undecided"},
        takes_overrides=True,
    ),
    Command(
        "compare",
        "compare",
        "say of each cell whether one variant is faster, slower or less accurate than the other",
        "harness compare now with:torch==2.12.1 suite=quickstart task=sentiment",
        {
            1: "something got slower or less accurate",
            3: "some cell failed",
            4: "some verdict is inconclusive, or a variant has not measured a cell",
        },
    ),
    Command(
        "trend",
        "compare",
        "show the history of each cell on each host, the steps in it, and whether they are real",
        "harness trend sentiment/ptq_static --confirm",
        {1: "a regression was confirmed", 3: "some cell failed"},
    ),
    Command(
        "aa",
        "compare",
        "make an A/A comparison: this host's false alarms and the smallest change it could find now",
        "harness aa suite=quickstart task=sentiment protocol=smoke",
        {3: "some cell failed"},
    ),
    Command(
        "rerun",
        "compare",
        "run a recorded cell again, in its original environment, and say whether the old figure holds",
        "harness rerun 20261124T135530Z:sentiment/ptq_static/fx",
        {1: "the old figure does not hold", 3: "the cell could not be run"},
    ),
    Command(
        "table",
        "publish",
        "print a run's table and write it as CSV, Markdown, Parquet and a picture; or judge it by a suite's gates",
        "harness table 20261124T135530Z --suite suites/quickstart.yaml",
        {1: "some gate failed", 4: "some gate is undecided"},
    ),
    Command(
        "trials",
        "publish",
        "print the trials of a cell's tuning, query them, and draw accuracy against latency",
        "harness trials static_minmax/fx/sensitivity 20261128T230042Z --fastest-within 1% --smallest-within 0.005",
    ),
    Command(
        "export",
        "publish",
        "write a run's cells in another tool's format, such as pytest-benchmark's JSON",
        "harness export 20261124T135530Z ptq_static --format pytest-benchmark -o out.json",
        {3: "cells that have failed were left out"},
    ),
    Command(
        "completion",
        "set up",
        "print what makes a shell complete commands and options",
        "harness completion bash > ~/.local/share/bash-completion/completions/harness",
    ),
)

#: Commands that are no more -> what does their work now.
_GONE = {"tune": "'harness run' tunes the cells that have a tuner, and shows each trial: harness run suite=tuning"}


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any):
        super().__init__(formatter_class=_Help, **options)

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see '{self.prog} --help')")


class _Help(argparse.HelpFormatter):
    """Shows commands by what a person wants, and keeps the lines of an epilog apart."""

    def _format_action(self, action: argparse.Action) -> str:
        if not isinstance(action, argparse._SubParsersAction):
            return super()._format_action(action)
        shown = {one.dest: one for one in action._get_subactions()}
        parts = []
        for group, words in GROUPS.items():
            parts.append(f"  {group}: {words}\n")
            of_group = [shown[command.name] for command in COMMANDS if command.group == group]
            self._indent()
            parts += [super(_Help, self)._format_action(one) for one in of_group]
            self._dedent()
        return "".join(parts)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        # An example stays in one line, however long, so that it can be copied.
        filled = (
            one if one.startswith(_EXAMPLE) else super(_Help, self)._fill_text(one, width, indent)
            for one in text.splitlines()
        )
        return "\n".join(filled)


def run(arguments: list[str]) -> int:
    """Run the command that `arguments` name and return its exit status."""
    if any("\0" in word for word in arguments):
        raise UserError("an argument holds a zero byte, which no name and no value has")
    names = [command.name for command in COMMANDS]
    first = next((word for word in arguments if not word.startswith("-")), None)
    if first in _GONE:
        raise UserError(f"no command '{first}' any more: {_GONE[first]}")
    if first is not None and first not in names:
        raise UserError(f"no command '{shown(first)}'{nearest(first, names)}")
    # Only the named command's module is imported: `harness doctor` needs neither Hydra nor pandas.
    parser = _parser(first)
    parsed, rest = parser.parse_known_args(arguments)
    # argparse takes positionals up to the first option only: `run suite=x --new protocol=y` leaves the second over.
    several = next((name for name in ("overrides", "names") if hasattr(parsed, name)), None)
    if rest and (several is None or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if several is not None:
        setattr(parsed, several, [*getattr(parsed, several), *rest])
    if parsed.command is None:
        parser.print_help()
        return 2 if arguments else 0
    registry.use_project(parsed.project)
    return parsed.execute(parsed)


def whole_parser() -> argparse.ArgumentParser:
    """Return a parser that knows the options of all commands, for what describes the command line."""
    return _parser(*(command.name for command in COMMANDS))


def _parser(*chosen: str | None) -> _Parser:
    """Return the parser of all commands; only those that are `chosen` are imported and have their own options."""
    parser = _Parser(
        prog="harness",
        description="Low-precision inference on Xeon: sweeps, accuracy-aware tuning, measurements that can be trusted.",
        epilog="'harness COMMAND --help' shows an example, the options and the exit statuses of a command.\n"
        f"Exit status: {', '.join(f'{status} {one.means}' for status, one in EXIT_STATUSES.items())}.",
    )
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)
    for command in COMMANDS:
        sub = commands.add_parser(
            command.name,
            help=command.summary,
            description=command.summary[0].upper() + command.summary[1:] + ".",
            epilog=f"{_EXAMPLE} {command.example}\nExit status: {_statuses(command)}.",
        )
        sub.set_defaults(command=command.name)
        sub.add_argument("--results", type=_folder, default=Path("results"), metavar="DIR", help="default: results")
        sub.add_argument(
            "--project", type=_folder, metavar="DIR", help="a folder with conf/, suites/ and plugins/ of your own"
        )
        if command.takes_overrides:
            sub.add_argument(
                "overrides",
                nargs="*",
                metavar="OVERRIDE",
                help="suite=NAME or FILE, AXIS=OPTION,..., +AXIS=OPTION to add, AXIS.FIELD=VALUE,...",
            )
        if command.name in chosen:
            module = importlib.import_module(f"harness.commands.{command.name}")
            execute: Callable[[argparse.Namespace], int] = module.run
            sub.set_defaults(execute=execute, whole_parser=whole_parser)
            getattr(module, "add_options", lambda sub: None)(sub)
    return parser


def _statuses(command: Command) -> str:
    """Return each exit status that the command can end with, and what it means there."""
    means = {status: EXIT_STATUSES[status].means for status in EVERY_STATUS} | dict(command.statuses)
    return ", ".join(f"{status} {means[status]}" for status in sorted(means))


def _folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("want a folder; the current one is .")
    return Path(text)


def is_terminal() -> bool:
    """Say whether a person reads standard output."""
    return sys.stdout.isatty()
