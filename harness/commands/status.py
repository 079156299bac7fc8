"""``harness status``: what of a run is done, failed and left."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

from rich.table import Table

from harness.execute.done import Done, done_so_far
from harness.plan.config import FAILED_INVOCATIONS
from harness.plan.emulation import is_timed
from harness.results import cells, store
from harness.terminal import Console, Text


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's own options."""
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run's id, its beginning, or a file; else the newest")


def run(arguments: argparse.Namespace) -> int:
    """Print one line a cell; 0 when nothing is left or failed, 3 when a cell failed."""
    path = store.find_run(arguments.results, arguments.run)
    lines = store.read_run(path)
    header, done = lines[0], done_so_far(lines)
    complete = store.is_complete(lines)
    table = Table(box=None, pad_edge=False)
    for column in ("cell", "prepared", "accuracy", "blocks", "state"):
        table.add_column(column, overflow="fold")
    states: Counter[str] = Counter()
    for cell in header["cells"]:
        configs = cells.configs(header, cell)
        protocol = configs["protocol"]
        wanted = protocol["blocks"] if is_timed(configs["host"]) else 0
        measured = sum(digest == cell["digest"] for digest, _ in done.invoked)
        # Until the run says that it is complete, its budget may be spent on any of its cells.
        is_enough = measured >= wanted and (complete or not wanted or protocol.get("target_half_width") is None)
        state = _state(cell["digest"], is_enough, done)
        states[state] += 1
        marks = ["yes" if cell["digest"] in found else "" for found in (done.prepared, done.evaluated)]
        blocks = f"{wanted}+{measured - wanted}" if measured > wanted else f"{measured}/{wanted}"
        table.add_row(Text(cell["key"]), *marks, blocks, Text(state, style=_STYLES[state]))
    console = Console()
    counted = ", ".join(f"{count} {state}" for state, count in states.items())
    end = "complete" if complete else "not complete; the same 'harness run' goes on with it"
    console.print(Text(f"run {header['run']}: {counted}; {end}"), soft_wrap=True)
    console.print(table)
    for failure in (line for line in lines if line["type"] == "failure"):
        console.print(Text(_failure_line(failure), style="red"), soft_wrap=True)
    return 3 if states["failed"] else 0


_STYLES = {"done": "green", "failed": "red", "left": "yellow"}


def _state(digest: str, is_enough: bool, done: Done) -> str:
    if digest in done.failed or done.failed_invocations[digest] >= FAILED_INVOCATIONS:
        return "failed"
    return "done" if is_enough and digest in done.evaluated else "left"


def _failure_line(failure: dict[str, Any]) -> str:
    block = "" if failure["block"] is None else f", block {failure['block'] + 1}"
    return f"{failure['cell']}: {failure['stage']}{block}: failed({failure['kind']}): {failure['message']}"
