"""``harness table``: a run's table on the terminal, as CSV, Markdown and Parquet, and as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.text import Text

from harness.publish import scaling, scaling_picture, table_picture, tables
from harness.publish.heading import heading
from harness.publish.rows import rows as rows_of
from harness.results import store


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's own options."""
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run's id, its beginning, or a file; else the newest")


def run(arguments: argparse.Namespace) -> int:
    """Print the table and write its files."""
    make_table(arguments.results, store.find_run(arguments.results, arguments.run), Console())
    return 0


def make_table(results: Path, run_file: Path, console: Console) -> pd.DataFrame:
    """Print a run's table, write its files below `results`, and return its rows."""
    lines = store.read_run(run_file)
    host = store.read_host(results, lines[0]["host"])
    rows = rows_of(lines, None if host is None else host["isa"])
    above = heading(lines, store.host_line(results, lines[0]["host"]))
    scales = scaling.scaling(lines)
    beneath = list(scaling.sentences(scales))
    tables.show(rows, above, console, beneath)
    folder = results / store.TABLES
    lower_is_better = {
        line["metric"]["name"]
        for line in lines
        if line["type"] == "accuracy" and not line["metric"]["greater_is_better"]
    }
    pictures = [folder / f"{above.run}.{kind}" for kind in ("svg", "png")]
    written = tables.write(rows, folder, above, beneath)
    written += table_picture.draw(rows, above, lower_is_better, pictures)
    written += scaling_picture.draw(scales, above, [folder / f"{above.run}-scaling.{kind}" for kind in ("svg", "png")])
    for path in written:
        console.print(Text(f"written: {path}", style="dim"), soft_wrap=True)
    return rows
