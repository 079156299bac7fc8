"""``harness trials``: the trials of a cell's tuning as a table and a picture, and queries on them."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.publish import trials
from harness.results import identifiers, store
from harness.terminal import Console, Text


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


def run(arguments: argparse.Namespace) -> int:
    """Print the trials, answer the queries, draw the picture; nothing runs again."""
    path = store.find_run(arguments.results, arguments.run)
    found = trials.tuning(store.read_run(path), arguments.cell)
    wanted = {
        name: trials.allowed(loss, found)
        for name in ("fastest_within", "smallest_within")
        if (loss := getattr(arguments, name)) is not None
    }
    console = Console()
    ended = "" if found.reason is None else f"; the search ended: {found.reason}"
    baseline = "" if found.baseline is None else f"; FP32's {found.metric} is {found.baseline:.4f}"
    console.print(Text(f"{found.cell}: {len(found.history.trials)} trials{baseline}{ended}; * chosen"), soft_wrap=True)
    console.print(*trials.shown(found, console.width), sep="\n")
    for name, criterion in wanted.items():
        question = f"{name.replace('_', ' ')} {getattr(arguments, name)}"
        answer = getattr(found.history, name)(criterion) if found.history.baseline else None
        console.print(Text(trials.line(answer, question, found)), soft_wrap=True)
    if found.baseline is not None or arguments.picture is not None:
        from harness.publish import pareto  # a second of matplotlib, which no mistake above should wait for

        picture = arguments.picture or _default(arguments.results, path, found.cell)
        pareto.draw(found, picture)
        console.print(Text(f"written: {picture}", style="dim"), soft_wrap=True)
    return 0


def _default(results: Path, run: Path, cell: str) -> Path:
    return results / store.TABLES / f"{identifiers.file_name(f'{run.stem}.{cell}').strip('_')}.svg"
