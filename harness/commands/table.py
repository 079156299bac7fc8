"""``harness table``: a run's table on the terminal, as CSV, Markdown and Parquet, and as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.text import Text

from harness.publish import run_table
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
    table = run_table.read(results, run_file)
    table.show(console)
    folder = results / store.TABLES
    for path in [*table.write(folder), *table.draw(folder)]:
        console.print(Text(f"written: {path}", style="dim"), soft_wrap=True)
    return table.rows
