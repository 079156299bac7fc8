"""The invocations of a run: which are left, how each is started, and what is written down of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config.cell import Cell
from harness.config.schema import FAILED_INVOCATIONS
from harness.errors import StageError
from harness.execute.artefacts.store import Artefact
from harness.execute.process.interleaved import can_interleave
from harness.execute.process.launch import Outcome
from harness.execute.process.parallel import Call
from harness.execute.process.request import Children, require_ok
from harness.execute.run.recorder import Ledger
from harness.execute.run.schedule import Slot
from harness.results.records import record


class Invocations:
    """Measures prepared cells, one slot at a time or several interleaved.

    Parameters
    ----------
    package : the harness's own code that the children run.
    """

    def __init__(self, children: Children, ledger: Ledger, package: Path):
        self._children = children
        self._ledger = ledger
        self._package = package
        self._artefacts: dict[str, tuple[Artefact, Artefact]] = {}

    def add(self, cell: Cell, artefact: Artefact, tokenised: Artefact) -> None:
        """Take a cell's artefact and rows: from now on it is prepared."""
        self._artefacts[cell.digest] = (artefact, tokenised)

    def inputs(self, cell: Cell) -> tuple[Artefact, Artefact]:
        """Return the artefact and the rows of a prepared cell."""
        return self._artefacts[cell.digest]

    def is_open(self, slot: Slot) -> bool:
        """Say whether a slot is to be measured: it is not yet, and its cell has not failed."""
        return (slot.cell.digest, slot.block) not in self._ledger.done.invoked and not self.is_closed(slot.cell)

    def is_prepared(self, cell: Cell) -> bool:
        """Say whether a cell has an artefact that can be measured."""
        return cell.digest in self._artefacts

    def is_closed(self, cell: Cell) -> bool:
        """Say whether a cell is not measured any more."""
        digest = cell.digest
        return digest in self._ledger.done.failed or self._ledger.done.failed_invocations[digest] >= FAILED_INVOCATIONS

    def measure(self, slot: Slot) -> None:
        """Measure one slot and write down what came of it."""
        if self.is_prepared(slot.cell):
            self.take(slot, self.call(slot).launch(slot.cell.protocol.time_limit_seconds))

    def call(self, slot: Slot, turns: Mapping[str, Any] | None = None, variants: int = 1) -> Call:
        """Return what an invocation of a prepared cell is started with.

        Parameters
        ----------
        turns : its place among `variants` that are timed interleaved (see :mod:`harness.execute.process.interleaved`).
        """
        cell = slot.cell
        artefact, tokenised = self._artefacts[cell.digest]
        return self._children.call(
            "measure",
            cell,
            environment=cell.backend.environment,
            inputs={"artefact": artefact.path, "tokenised": tokenised.path},
            options={"block": slot.block} | ({} if turns is None else {"turns": dict(turns)}),
            share=variants,
        )

    @property
    def can_interleave(self) -> bool:
        """Whether its children can be timed interleaved with those of another session."""
        return can_interleave(self._package)

    def take(self, slot: Slot, outcome: Outcome, ring: Sequence[int] | None = None) -> None:
        """Write down what came of an invocation; `ring` holds the orders of those timed interleaved with it."""
        cell = slot.cell
        try:
            require_ok(outcome)
            self._ledger.result(
                record.invocation,
                cell,
                artefact=self._artefacts[cell.digest][0].key,
                block=slot.block,
                order=slot.order,
                peak_memory_bytes=outcome.max_rss_bytes,
                wall_seconds=outcome.wall_seconds,
                process_seconds=outcome.user_seconds + outcome.system_seconds,
                voluntary_switches=outcome.voluntary_switches,
                involuntary_switches=outcome.involuntary_switches,
                ring=ring,
                replacement=slot.replaces or None,
                **outcome.values,
            )
        except StageError as error:
            self._ledger.failure(cell, "measure", error, slot.block)
