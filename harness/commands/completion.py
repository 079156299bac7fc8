"""``harness completion``: what makes a shell complete commands, options and their choices, made by shtab."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

SHELLS = ("bash", "zsh", "tcsh")

#: A value so called in the help is a path on this machine.
_FOLDERS, _FILES = ("DIR", "FOLDER"), ("FILE",)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's own options."""
    parser.add_argument("shell", choices=SHELLS, help="the shell whose code is printed")


def run(arguments: argparse.Namespace) -> int:
    """Print the code for a shell; always 0."""
    import shtab

    parser = arguments.whole_parser()
    _complete_paths(parser, shtab.DIRECTORY, shtab.FILE)
    sys.stdout.write(shtab.complete(parser, arguments.shell) + "\n")
    return 0


def _complete_paths(parser: argparse.ArgumentParser, folder: Mapping[str, Any], file: Mapping[str, Any]) -> None:
    """Have the values of all commands' options that are folders or files completed as such."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                _complete_paths(sub, folder, file)
        elif action.metavar in _FOLDERS:
            action.complete = folder  # type: ignore[attr-defined]
        elif action.metavar in _FILES:
            action.complete = file  # type: ignore[attr-defined]
