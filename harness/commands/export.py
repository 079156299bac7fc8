"""``harness export``: a run's cells in the format of another tool."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands.shared import output
from harness.errors import UserError
from harness.publish.export import pytest_benchmark
from harness.results import cells, store
from harness.text.terminal import Console, Text


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's own options."""
    parser.add_argument("run", metavar="RUN", help="a run's id, its beginning, or a file")
    parser.add_argument("cell", nargs="?", metavar="CELL", help="a cell's key, or some of its labels; else all cells")
    parser.add_argument("--format", choices=("pytest-benchmark",), default="pytest-benchmark", help="whose format")
    parser.add_argument(
        *("-o", "--output", "--out"),
        dest="out",
        required=True,
        metavar="FILE",
        help=f"the file to write, or a folder for RUN.json in it; '{output.STDOUT}': print it",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the file; 3 when cells are left out of it because they have failed."""
    _require_elsewhere(Path(arguments.out), arguments.results)
    records = store.read_run(store.find_run(arguments.results, arguments.run))
    host = store.read_host(arguments.results, records[0]["host"])
    table = pytest_benchmark.rows_of(records, host)
    content = pytest_benchmark.document(records, host, arguments.cell, table)
    if output.to_stdout(arguments):
        print(pytest_benchmark.text(content))
    else:
        path = Path(arguments.out)
        path = path / f"{records[0]['run']}.json" if path.is_dir() else path
        pytest_benchmark.write(content, path)
        count = len(content["benchmarks"])
        Console().print(Text(f"written: {path} ({count} benchmarks)", style="dim"), soft_wrap=True)
    meant = records[0]["cells"] if arguments.cell is None else cells.some(records[0], arguments.cell)
    keys = {entry["key"] for entry in meant}
    failed = {key: why for key, why in pytest_benchmark.left_out(table).items() if key in keys}
    for key, why in failed.items():
        Console(stderr=True).print(Text(f"left out: {key}: {why}", style="red"), soft_wrap=True)
    return 3 if failed else 0


def _require_elsewhere(path: Path, results: Path) -> None:
    """Raise UserError for a file that the results consist of: what it holds cannot be measured again."""
    if path.is_file() and results.resolve() in path.resolve().parents:
        raise UserError(f"--output {path}: is a file of the results; want another name, or a folder outside")
