"""The fastest 8-bit product of the host's cores, once a run: what INT8 cells are held against."""

from __future__ import annotations

from collections.abc import Iterable

from harness.config import emulation
from harness.config.cell import Cell
from harness.errors import StageError
from harness.execute.process.request import Children
from harness.execute.run.recorder import Ledger
from harness.execute.run.view import View
from harness.results.records import record


def measure(cells: Iterable[Cell], children: Children, ledger: Ledger, view: View) -> None:
    """Write a `peak` record for each set of cores that INT8 cells are pinned to, unless the run has it.

    A peak that cannot be had is said, and costs nothing but a column of the table.
    """
    for cell in cells:
        if cell.approach.precision != "int8" or not emulation.is_timed(cell.host):
            continue
        cores = tuple(sorted(children.cores(cell)))
        if cores in ledger.done.peaks:
            continue
        view.progress("peak", 0, 1, "the fastest INT8 product of this host")
        try:
            outcome = children.run("peak", cell, environment=cell.model.environment, inputs={})
            ledger.append(record.peak(**outcome.values))
        except (StageError, TypeError, ValueError) as error:
            # Each cell of these cores would fail alike.
            ledger.done.peaks.add(cores)
            view.note(f"  the host's INT8 peak could not be measured: {error}")
