"""``harness status``: what of a run is done, failed and left."""

from __future__ import annotations

import argparse
import dataclasses
from collections import Counter
from typing import Any

from rich.table import Table

from harness.commands.shared import output
from harness.publish.common.narrow import print_table
from harness.publish.table.cell_states import DONE, FAILED, LEFT, CellState, cell_states
from harness.results import store
from harness.text.terminal import Console, Text

_STYLES = {DONE: "green", FAILED: "red", LEFT: "yellow"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's own options."""
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run's id, its beginning, or a file; else the newest")
    output.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one line a cell; 0 when nothing is left or failed, 3 when a cell failed."""
    path = store.find_run(arguments.results, arguments.run)
    lines = store.read_run(path)
    complete = store.is_complete(lines)
    states = cell_states(lines, complete)
    failures = [line for line in lines if line["type"] == "failure"]
    counts = Counter(one.state for one in states)
    if arguments.json:
        output.print_json("status", _values(lines[0], complete, states, failures))
    else:
        _show(lines[0], complete, states, failures)
    return 3 if counts[FAILED] else 0


def _show(header: dict[str, Any], complete: bool, states: list[CellState], failures: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("cell", "prepared", "accuracy", "blocks", "state"):
        table.add_column(column, overflow="fold")
    for one in states:
        marks = ["yes" if there else "" for there in (one.prepared, one.evaluated)]
        table.add_row(Text(one.cell), *marks, one.blocks_in_words, Text(one.state, style=_STYLES[one.state]))
    console = Console()
    counted = ", ".join(f"{count} {state}" for state, count in Counter(one.state for one in states).items())
    end = "complete" if complete else "not complete; the same 'harness run' goes on with it"
    console.print(Text(f"run {header['run']}: {counted}; {end}"), soft_wrap=True)
    print_table(table, console)
    for failure in failures:
        console.print(Text(_failure_line(failure), style="red"), soft_wrap=True)


def _values(
    header: dict[str, Any], complete: bool, states: list[CellState], failures: list[dict[str, Any]]
) -> dict[str, Any]:
    counts = Counter(one.state for one in states)
    names = ("cell", "stage", "block", "scenario", "kind", "message")
    return {
        "run": header["run"],
        "suite": header["suite"],
        "complete": complete,
        "counts": {state: counts[state] for state in (DONE, FAILED, LEFT)},
        "cells": [dataclasses.asdict(one) for one in states],
        "failures": [{name: failure.get(name) for name in names} for failure in failures],
    }


def _failure_line(failure: dict[str, Any]) -> str:
    block = "" if failure["block"] is None else f", block {failure['block'] + 1}"
    return f"{failure['cell']}: {failure['stage']}{block}: failed({failure['kind']}): {failure['message']}"
