"""``harness env``: the pinned environments of the backends: listed, built, removed."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness import faults
from harness.errors import StageError, UserError
from harness.execute.cache import cache_folder
from harness.execute.environment import Environments, environments
from harness.plan.catalogue import catalogue
from harness.publish.live import view_for


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's own options."""
    parser.add_argument("action", choices=("list", "build", "remove"), nargs="?", default="list")
    parser.add_argument("names", nargs="*", metavar="NAME", help="environments; for build, none means all")


def run(arguments: argparse.Namespace) -> int:
    """List, build or remove; `build` prints each environment's python, one a line."""
    shipped = catalogue(arguments.project)
    known = environments(shipped, cache_folder())
    for name in arguments.names:
        shipped.require("environment", name)
    if arguments.action == "list":
        Console().print(_table(known.list()))
    elif arguments.action == "remove":
        if not arguments.names:
            raise UserError("env remove: name the environments to remove (see 'harness env list')")
        for name in arguments.names:
            known.remove(name)
    else:
        return _build(known, arguments.names or shipped.names("environment"))
    return 0


def _build(known: Environments, names: list[str]) -> int:
    with view_for(Console(stderr=True)) as view:
        built = known.build_all(names, view.building, view.note)
        for name in built:
            if note := known.note(name):
                view.note(f"environment {name}: {note}")
    errors = [found for found in built.values() if isinstance(found, StageError)]
    for found in built.values():
        if not isinstance(found, StageError):
            print(found, flush=True)
    for error in errors:
        faults.complain(f"{error.kind}: {error.message}")
    return 2 if errors else 0


def _table(states: list) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("environment", "lock", "state", "size", "folder"):
        table.add_column(column, justify="right" if column == "size" else "left", overflow="fold")
    for state in states:
        size = "" if state.size_bytes is None else f"{state.size_bytes / 2**30:.1f} GiB"
        shown = state.state if state.note is None else f"{state.state}; {state.note}"
        table.add_row(*(Text(text) for text in (state.name, state.lock_hash[:12], shown, size, str(state.path))))
    return table
