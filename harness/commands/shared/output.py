"""Where a command's files go, and what stands on standard output: ``--out`` and ``--json`` of every command.

Files are written before anything is shown, because whoever reads that may have read enough.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UnwritableError, UserError
from harness.text.terminal import Console, Text

#: Of all objects that are printed, together; a field that is removed or changed raises it, a new field does not.
VERSION = 1

#: In the place of a folder: nothing is written.
STDOUT = "-"


@dataclass(frozen=True)
class Written:
    """The files that were written, and in a line why there are none although they were to be."""

    paths: tuple[Path, ...] = ()
    problem: str | None = None


def add_out(parser: argparse.ArgumentParser, shown: str = "Markdown in the place of the terminal's table") -> None:
    """Add the option that says where a command's files go; `shown` is what ``--out -`` prints."""
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        help=f"write the files there, not below the results; '{STDOUT}': write no file, and print {shown}",
    )


def add_json(parser: argparse._ActionsContainer) -> None:
    """Add the option that has a command print one JSON object."""
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, for programs (docs/reference/json.md)"
    )


def to_stdout(arguments: argparse.Namespace) -> bool:
    """Say whether a command writes no file."""
    return arguments.out == STDOUT


def write(out: str | None, default: Path, make: Callable[[Path], list[Path]]) -> Written:
    """Write a command's files into the folder `out`, or where none is named into `default`.

    Results may lie where nothing can be written. That takes nothing from what can be read and printed; but a folder
    that was asked for is an error.

    Parameters
    ----------
    make : writes the files into a folder and returns their paths.

    Raises
    ------
    UserError : `out` cannot be written.
    """
    if out == STDOUT:
        return Written()
    if out == "":
        raise UserError("--out: want a folder; the current one is .")
    if out is not None:
        return Written(tuple(make(Path(out))))
    try:
        return Written(tuple(make(default)))
    except UnwritableError as error:
        return Written(problem=f"{error}; --out FOLDER writes elsewhere")


def tell(written: Written, console: Console) -> None:
    """Print which files were written; on standard error, why there are none."""
    for path in written.paths:
        console.print(Text(f"written: {path}", style="dim"), soft_wrap=True)
    if written.problem is not None:
        Console(stderr=True).print(Text(f"not written: {written.problem}", style="yellow"), soft_wrap=True)


def print_json(command: str, values: Mapping[str, Any], written: Written | None = None) -> None:
    """Print the object of a command in the form of :mod:`harness.commands.shared.json_forms`."""
    content = {"command": command, "schema": VERSION, **values}
    if written is not None:
        content["written"] = [str(path) for path in written.paths]
        tell(Written(problem=written.problem), Console(stderr=True))
    # ASCII, so that it is the same on every terminal and in every file.
    print(json.dumps(content, indent=1, allow_nan=False))
