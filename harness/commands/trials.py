"""``harness trials``: the trials of a cell's tuning as a table and a picture, and queries on them."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands.shared import output
from harness.publish.common.narrow import print_table
from harness.publish.tuning import trials
from harness.publish.tuning.trials import Tuning
from harness.results import store
from harness.results.records import identifiers
from harness.text.terminal import Console, Text


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's own options."""
    parser.add_argument("cell", metavar="CELL", help="a cell's key, or enough of its labels: ptq_static/sensitivity")
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run's id, its beginning, or a file; else the newest")
    loss = "in the metric's unit (0.005), or of FP32's value (1%%)"
    parser.add_argument(
        "--fastest-within", metavar="LOSS", help=f"the trial of lowest latency that loses no more, {loss}"
    )
    parser.add_argument("--smallest-within", metavar="LOSS", help="the trial of fewest bytes that loses no more")
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="an .svg or .png; default: an SVG beside the tables"
    )
    output.add_out(parser, "the trials alone")


def run(arguments: argparse.Namespace) -> int:
    """Draw the picture, print the trials, answer the queries; nothing runs again."""
    path = store.find_run(arguments.results, arguments.run)
    found = trials.tuning(store.read_run(path), arguments.cell)
    wanted = {
        name: trials.allowed(loss, found)
        for name in ("fastest_within", "smallest_within")
        if (loss := getattr(arguments, name)) is not None
    }
    written = _draw(arguments, path, found)
    console = Console()
    ended = "" if found.reason is None else f"; the search ended: {found.reason}"
    baseline = "" if found.baseline is None else f"; FP32's {found.metric} is {found.baseline:.4f}"
    console.print(Text(f"{found.cell}: {len(found.history.trials)} trials{baseline}{ended}; * chosen"), soft_wrap=True)
    table, recipes = trials.shown(found, console.width)
    print_table(table, console)
    for line in recipes:
        console.print(line)
    for name, criterion in wanted.items():
        question = f"{name.replace('_', ' ')} {getattr(arguments, name)}"
        answer = getattr(found.history, name)(criterion) if found.history.baseline else None
        console.print(Text(trials.line(answer, question, found)), soft_wrap=True)
    output.tell(written, console)
    return 0


def _draw(arguments: argparse.Namespace, run_file: Path, found: Tuning) -> output.Written:
    """Draw the picture where it is asked for; else where there is something to be seen in it."""
    if arguments.picture is None and not trials.placed(found):
        return output.Written()

    def make(folder: Path) -> list[Path]:
        from harness.publish.tuning import pareto  # a second of matplotlib, which no mistake should wait for

        path = arguments.picture or folder / _name(run_file, found.cell)
        pareto.draw(found, path)
        return [path]

    if arguments.picture is not None:
        return output.Written(tuple(make(arguments.picture.parent)))
    return output.write(arguments.out, arguments.results / store.TABLES, make)


def _name(run: Path, cell: str) -> str:
    return f"{identifiers.file_name(f'{run.stem}.{cell}').strip('_')}.svg"
