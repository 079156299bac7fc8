"""``harness env``: the pinned environments of the backends: listed, built, removed."""

from __future__ import annotations

import argparse
from typing import Any

from rich.table import Table

from harness import faults
from harness.cache import cache_folder, usable_cache
from harness.commands.shared import output
from harness.errors import StageError, UserError
from harness.execute.environments.pinned import Environments, State, environments
from harness.plan.catalogue import catalogue
from harness.publish.common.narrow import print_table
from harness.publish.live import view_for
from harness.text.terminal import Console, Text


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's own options."""
    parser.add_argument("action", choices=("list", "build", "remove"), nargs="?", default="list")
    parser.add_argument("names", nargs="*", metavar="NAME", help="environments; for build, none means all")
    output.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """List, build or remove; `build` prints each environment's python, one a line."""
    shipped = catalogue(arguments.project)
    if arguments.json and arguments.action != "list":
        raise UserError(f"env {arguments.action}: --json is of 'harness env list' alone")
    for name in arguments.names:
        shipped.require("environment", name)
    known = environments(shipped, usable_cache() if arguments.action == "build" else cache_folder())
    if arguments.action == "list":
        states = known.list()
        if arguments.json:
            output.print_json("env list", {"environments": [_values(one) for one in states]})
        else:
            print_table(_table(states), Console())
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


def _values(state: State) -> dict[str, Any]:
    return {
        "name": state.name,
        "lock": state.lock_hash,
        "state": state.state,
        "size_bytes": state.size_bytes,
        "folder": str(state.path),
        "note": state.note,
    }


def _table(states: list[State]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("environment", "lock", "state", "size", "folder"):
        table.add_column(column, justify="right" if column == "size" else "left", overflow="fold")
    for state in states:
        size = "" if state.size_bytes is None else f"{state.size_bytes / 2**30:.1f} GiB"
        shown = state.state if state.note is None else f"{state.state}; {state.note}"
        table.add_row(*(Text(text) for text in (state.name, state.lock_hash[:12], shown, size, str(state.path))))
    return table
