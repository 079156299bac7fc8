"""``harness run``: a suite on this host, from its plan to its table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import pandas as pd

from harness.cache import usable_cache
from harness.commands.table import make_table
from harness.execute.artefacts.sources import require_any
from harness.execute.environments.pinned import environments
from harness.execute.run.assemble import Place, open_session
from harness.execute.run.session import Counts
from harness.host import describe as hosts
from harness.plan import preview
from harness.plan.catalogue import catalogue
from harness.plan.gate import by_labels
from harness.plan.matrix import Plan, make_plan
from harness.publish.live import view_for
from harness.publish.table import gates
from harness.publish.table.rows import rows as rows_of
from harness.results.records.record import Record
from harness.text.terminal import Console

#: So many of a task's and a model's cells fit a line that is looked at in passing.
MOST_SHOWN = 8


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's own options."""
    parser.add_argument("--new", action="store_true", help="begin a new run even where an interrupted one could go on")


def run(arguments: argparse.Namespace) -> int:
    """Run the suite; 0 done, 1 a gate failed, 3 a cell failed, 4 a gate is undecided."""
    shipped = catalogue(arguments.project)
    plan = make_plan(shipped, arguments.overrides)
    place = Place(arguments.results, usable_cache())
    require_any(plan.cells)
    hopeless = preview.require_any(plan.cells)
    console = Console(stderr=True)
    with view_for(console) as view:
        for line in hopeless:
            view.note(line)
        session = open_session(
            plan,
            environments(shipped, place.cache),
            place,
            view,
            begin_anew=arguments.new,
            after_block=lambda lines, block: view.note(_so_far(lines, block)),
        )
        counts = session.run()
    rows = make_table(place.results, session.path, Console())
    return _status(plan, rows, counts, Console())


def _status(plan: Plan, rows: pd.DataFrame, counts: Counts, console: Console) -> int:
    options = [(option.axis, option.label, option.config) for option in plan.options]
    outcomes = gates.judge([by_labels(gate, options) for gate in plan.suite.gates], rows, hosts.describe().isa)
    gates.show(outcomes, console)
    if counts.failed_cells or counts.failed_invocations:
        return 3
    return gates.exit_status(outcomes)


def _so_far(lines: Sequence[Record], block: int) -> str:
    """Return one line on what the records already show, the fastest of each task first.

    What the records call a block is one interleaved group of cells; a large comparison group has several in each of
    its repetitions.
    """
    rows = rows_of(lines)
    rows = rows[rows["speedup"].notna() & (rows["approach"] != "fp32")]
    rows = rows.sort_values(["task", "speedup"], ascending=[True, False])
    shown = [f"{row.task} {row.approach}/{row.backend} {row.speedup:.2f}x" for row in rows.itertuples()]
    more = [f"and {len(shown) - MOST_SHOWN} more"] if len(shown) > MOST_SHOWN else []
    return f"  after group {block + 1}: " + (", ".join([*shown[:MOST_SHOWN], *more]) or "nothing to compare yet")
