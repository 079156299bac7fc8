"""The command line: its words and options. What each command does stands in `harness/commands/`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from harness.advice import EXIT_STATUSES
from harness.errors import UserError, nearest, shown


@dataclass(frozen=True)
class Command:
    """One word of the command line. Its module offers ``run(arguments) -> exit status`` and may add options."""

    name: str
    summary: str
    example: str
    takes_overrides: bool = False


COMMANDS = (
    Command("doctor", "say what this host is and what will make its timings untrustworthy", "harness doctor"),
    Command("env", "list, build or remove the pinned environments of the backends", "harness env build torch"),
    Command(
        "plan",
        "show the cells of a suite, and each excluded one with its reason",
        "harness plan suite=quickstart backend=fx,eager approach.calibration.samples=50,100",
        takes_overrides=True,
    ),
    Command(
        "run",
        "run a suite on this host, or go on with its interrupted run, and print the table",
        "harness run suite=quickstart protocol=smoke",
        takes_overrides=True,
    ),
    Command(
        "tune",
        "run a suite that has a tuner, and show each trial as it ends",
        "harness tune suite=tuning backend=eager tuner=sensitivity",
        takes_overrides=True,
    ),
    Command("status", "show what of a run is done, failed and left", "harness status"),
    Command(
        "table",
        "print a run's table and write it as CSV, Markdown, Parquet and a picture; or judge it by a suite's gates",
        "harness table 20261124T135530Z --suite suites/quickstart.yaml",
    ),
    Command(
        "trials",
        "print the trials of a cell's tuning, query them, and draw accuracy against latency",
        "harness trials ptq_static/sensitivity --fastest-within 1% --smallest-within 0.005",
    ),
    Command(
        "compare",
        "say of each cell whether one side is faster, slower or less accurate than the other",
        "harness compare now with:torch==2.12.1 suite=quickstart task=sentiment",
    ),
    Command(
        "trend",
        "show the history of each cell on each host, the steps in it, and whether they are real",
        "harness trend sentiment/ptq_static --confirm",
    ),
    Command(
        "aa",
        "compare the same with itself: this host's false alarms and the smallest change it could find now",
        "harness aa suite=quickstart task=sentiment protocol=smoke",
    ),
    Command(
        "rerun",
        "run a recorded cell again, in its environment of then, and say whether the old figure holds",
        "harness rerun 20261124T135530Z:sentiment/ptq_static/fx",
    ),
    Command(
        "export",
        "write a run's cells in another tool's format, such as pytest-benchmark's JSON",
        "harness export 20261124T135530Z ptq_static --format pytest-benchmark -o out.json",
    ),
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see '{self.prog} --help')")


def run(arguments: list[str]) -> int:
    """Run the command that `arguments` name and return its exit status."""
    if any("\0" in word for word in arguments):
        raise UserError("an argument holds a zero byte, which no name and no value has")
    names = [command.name for command in COMMANDS]
    first = next((word for word in arguments if not word.startswith("-")), None)
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
    return parsed.execute(parsed)


def _parser(chosen: str | None) -> _Parser:
    parser = _Parser(
        prog="harness",
        description="Low-precision inference on Xeon: sweeps, accuracy-aware tuning, measurements that can be trusted.",
        epilog=f"Exit status: {', '.join(f'{status} {one.means}' for status, one in EXIT_STATUSES.items())}.",
    )
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=_Parser)
    for command in COMMANDS:
        sub = commands.add_parser(
            command.name,
            help=command.summary,
            description=command.summary[0].upper() + command.summary[1:] + ".",
            epilog=f"Example: {command.example}",
        )
        sub.set_defaults(command=command.name)
        sub.add_argument("--results", type=_folder, default=Path("results"), metavar="DIR", help="default: results")
        sub.add_argument("--project", type=_folder, metavar="DIR", help="a folder with conf/ and suites/ of your own")
        if command.takes_overrides:
            sub.add_argument(
                "overrides",
                nargs="*",
                metavar="OVERRIDE",
                help="suite=NAME or FILE, AXIS=OPTION,..., +AXIS=OPTION to add, AXIS.FIELD=VALUE,...",
            )
        if command.name == chosen:
            module = importlib.import_module(f"harness.commands.{command.name}")
            execute: Callable[[argparse.Namespace], int] = module.run
            sub.set_defaults(execute=execute)
            getattr(module, "add_options", lambda sub: None)(sub)
    return parser


def _folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("want a folder; the current one is .")
    return Path(text)


def is_terminal() -> bool:
    """Say whether a person reads standard output."""
    return sys.stdout.isatty()
