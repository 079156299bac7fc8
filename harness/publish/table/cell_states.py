"""What of a run's cells is done, failed and left, counted as its table counts them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.config.emulation import is_timed
from harness.publish.common.numbers import blocks
from harness.publish.common.recorded import Record, Recorded, failures_of, index, planned
from harness.stats.decisions.verdict import cell_status, has_failed

DONE, FAILED, LEFT = "done", "failed", "left"


@dataclass(frozen=True)
class CellState:
    """How far a cell is: `state` is done, failed or left.

    Of the `wanted` blocks, or more with a budget, `measured` went well and `failed` did not.
    """

    cell: str
    prepared: bool
    evaluated: bool
    measured: int
    wanted: int
    failed: int
    state: str

    @property
    def blocks_in_words(self) -> str:
        """The blocks as the table shows them, with those that failed: ``2/3, 1 failed``."""
        return blocks(self.measured, self.wanted) + (f", {self.failed} failed" if self.failed else "")


def cell_states(records: Iterable[Record], complete: bool) -> list[CellState]:
    """Return how far each cell of a run is; `complete` says whether the run has come to its end."""
    run = index(records)
    found = []
    for cell in planned(run.header):
        protocol = cell.configs["protocol"]
        wanted = protocol["blocks"] if is_timed(cell.configs["host"]) else 0
        failures, measured = failures_of(run, cell), len(run.invocations[cell.digest])
        status = cell_status(
            failures=failures,
            evaluated=cell.digest in run.accuracy,
            invocations=measured,
            blocks=wanted,
            steady={},
            criterion=None,
        )
        # Until the run says that it is complete, its budget may be spent on any of its cells.
        may_go_on = bool(wanted) and not complete and protocol.get("target_half_width") is not None
        is_left = status.name == "pending" or may_go_on
        found.append(
            CellState(
                cell.key,
                cell.digest in run.prepared,
                cell.digest in run.accuracy,
                measured,
                wanted,
                _failed_blocks(run, cell.digest),
                FAILED if has_failed(status.name) else LEFT if is_left else DONE,
            )
        )
    return found


def _failed_blocks(run: Recorded, digest: str) -> int:
    return sum(failure.block is not None for failure in run.failures[digest])
