"""What a run writes down, and what it holds by then."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config.cell import Cell
from harness.errors import StageError, UserError
from harness.execute.artefacts.prepare import Prepared
from harness.execute.artefacts.store import Artefact
from harness.execute.process.request import ChildError
from harness.execute.run.progress import progress_so_far
from harness.execute.run.view import View
from harness.results.records import record
from harness.results.store import RunWriter


class Ledger:
    """Writes each result and failure down as soon as it is known, tells of it, and counts it as done.

    Parameters
    ----------
    writer : the run's records, new or resumed.
    lines : what an earlier session of this run has written, or its header alone.
    shorten : takes the paths of this machine out of a text (see :mod:`harness.execute.run.anonymous`). What is told
        on the terminal keeps them.
    """

    def __init__(
        self, writer: RunWriter, lines: Sequence[record.Record], view: View, shorten: Callable[[str], str] = str
    ):
        self._writer = writer
        self._view = view
        self._shorten = shorten
        self.done = progress_so_far(lines)
        #: All records of the run, in their order, as a reader of its file would have them.
        self.lines = list(lines)

    @property
    def path(self) -> Path:
        """The file of the run's records."""
        return self._writer.path

    @property
    def run(self) -> str:
        """The name of the run."""
        return self._writer.run

    def prepared(self, cell: Cell, prepared: Prepared) -> None:
        """Write down that a cell has an artefact, and the rows that it is evaluated on, unless it is."""
        tokenised = prepared.tokenised
        if tokenised.key not in self.done.datasets:
            self.append(record.dataset(task=cell.labels[1], tokenised=tokenised.key, **_dataset_fields(tokenised)))
        if cell.digest not in self.done.prepared:
            self.append(
                record.prepared(
                    cell=cell.key,
                    cell_digest=cell.digest,
                    artefact=prepared.artefact.key,
                    size_bytes=prepared.artefact.size_bytes,
                    seconds=prepared.seconds,
                    reused=prepared.artefact.reused,
                    stages=prepared.stages,
                    provenance=prepared.provenance,
                    label_matching=prepared.label_matching,
                    per_row=prepared.per_row,
                )
            )

    def trial(self, cell: Cell, trial: Mapping[str, Any]) -> None:
        """Write a trial down unless it is; a tuning that goes on, or that was at hand, tells its old ones again."""
        if (cell.digest, trial.get("index")) in self.done.trials:
            return
        message = trial.get("message")
        shortened = {"message": self._shorten(message)} if isinstance(message, str) else {}
        self.result(record.trial, cell, **{**trial, **shortened})
        self._view.trial(cell.key, trial)

    def failure(
        self, cell: Cell, stage: str, error: StageError, block: int | None = None, scenario: str | None = None
    ) -> None:
        """Write down that a stage of a cell has failed: the cell's end, or that of one block or scenario of it."""
        tail = error.log_tail if isinstance(error, ChildError) else ""
        self.append(
            record.failure(
                cell=cell.key,
                cell_digest=cell.digest,
                stage=stage,
                kind=error.kind,
                message=self._shorten(error.message),
                block=block,
                log_tail=self._shorten(tail),
                scenario=scenario,
            )
        )
        self._view.note(f"  {cell.key}: failed({error.kind}) in {stage}: {error.message}")

    def result(self, make: Callable[..., dict[str, Any]], cell: Cell, **fields: Any) -> None:
        """Write what a child has returned.

        Raises
        ------
        StageError : ``protocol`` when it does not fit the record.
        """
        try:
            self.append(make(cell=cell.key, cell_digest=cell.digest, **fields))
        except (TypeError, ValueError) as error:
            raise StageError("protocol", f"the child's result does not fit its record: {error}") from error

    def append(self, line: Mapping[str, Any]) -> None:
        """Write a record.

        Raises
        ------
        UserError : nothing more can be recorded, so nothing more is to be run; what is on the disk stands.
        """
        try:
            self._writer.append(line)
        except StageError as error:
            raise UserError(f"{self.path}: {error.message}; make room, and the same command goes on") from error
        self.done.add(line)
        self.lines.append(json.loads(json.dumps(line)))


def _dataset_fields(tokenised: Artefact) -> dict[str, Any]:
    names = ("rows", "fingerprints", "labels", "references", "max_length", "positions", "truncation")
    return {name: tokenised.result.get(name) for name in (*names, "leaked_rows_dropped")}
