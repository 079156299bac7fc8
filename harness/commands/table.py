"""``harness table``: a run's table on the terminal, as CSV, Markdown and Parquet, and as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from harness.commands.shared import output
from harness.errors import UserError
from harness.plan.catalogue import catalogue
from harness.plan.gate import by_labels
from harness.plan.overrides import overridden, parse
from harness.plan.suite import read_suite
from harness.publish.export.json_values import table_values
from harness.publish.table import gates, run_table
from harness.publish.table.gates import Outcome
from harness.publish.table.run_table import RunTable
from harness.results import store
from harness.text.terminal import Console


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's own options."""
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run's id, its beginning, or a file; else the newest")
    parser.add_argument(
        "--suite",
        metavar="FILE",
        help="judge the run by the gates and the baseline of this suite; write nothing, unless --out names a folder",
    )
    output.add_out(parser)
    output.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the table's files and print it; with a suite, judge it: 0 all met, 1 a gate failed, 4 one is undecided."""
    run_file = store.find_run(arguments.results, arguments.run)
    outcomes: list[Outcome] = []
    if arguments.suite is not None:
        table, outcomes = _judge(arguments, run_file)
        written = output.Written() if arguments.out is None else _write(table, arguments.results, arguments.out)
    else:
        table = run_table.read(arguments.results, run_file)
        written = _write(table, arguments.results, arguments.out)
    console = Console()
    if arguments.json:
        output.print_json("table", table_values(table, outcomes), written)
    else:
        if output.to_stdout(arguments):
            print(table.markdown, end="")
        else:
            table.show(console)
        output.tell(written, console)
        gates.show(outcomes, console)
    return gates.exit_status(outcomes)


def make_table(results: Path, run_file: Path, console: Console) -> pd.DataFrame:
    """Write a run's files below `results`, print its table, and return its rows."""
    table = run_table.read(results, run_file)
    written = _write(table, results)
    table.show(console)
    output.tell(written, console)
    return table.rows


def _write(table: RunTable, results: Path, out: str | None = None) -> output.Written:
    return output.write(out, results / store.TABLES, lambda folder: [*table.write(folder), *table.draw(folder)])


def _judge(arguments: argparse.Namespace, run_file: Path) -> tuple[RunTable, list[Outcome]]:
    suite = read_suite(catalogue(arguments.project).suite(arguments.suite))
    if not suite.gates:
        raise UserError(f"suite={arguments.suite}: it has no gates to judge by; want e.g. gates: [...]")
    header = store.read_run(run_file)[0]
    table = run_table.read(arguments.results, run_file, suite.baseline or None)
    options = [(option["axis"], option["label"], option["config"]) for option in header["options"]]
    asked = [by_labels(gate, options) for gate in suite.gates]
    narrowed = overridden(parse(header["overrides"]))
    for gate in asked:
        if gates.fits_no_row(gate, table.rows) and not narrowed.intersection(gate.match):
            raise UserError(
                f"suite={arguments.suite}: gate {gate.name}: match: it fits no row of run {header['run']}; want what "
                "the run has on each axis"
            )
    host = store.read_host(arguments.results, header["host"])
    return table, gates.judge(asked, table.rows, None if host is None else host["isa"])
