"""One run: prepares every cell, measures it block by block, and writes each result down as soon as it is known.

The records are the only memory: what they hold is done, so a session that was killed anywhere goes on from them.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.config import isa_cap
from harness.config.cell import Cell
from harness.config.schema import FAILED_INVOCATIONS
from harness.errors import StageError
from harness.execute.artefacts.keys import StageKeys, stage_keys
from harness.execute.artefacts.prepare import Preparation, Prepared
from harness.execute.process.import_closure import PACKAGE
from harness.execute.process.request import Children
from harness.execute.run import further, peaks, scenarios
from harness.execute.run.interleaved import InterleavedGroups
from harness.execute.run.invocations import Invocations
from harness.execute.run.progress import Progress
from harness.execute.run.recorder import Ledger
from harness.execute.run.schedule import interleaved_groups
from harness.execute.run.view import View
from harness.results.records import record
from harness.results.store import RunWriter


@dataclass(frozen=True)
class Counts:
    """How much of a run there is: its cells, those that failed, its invocations, and those of them that failed."""

    cells: int
    failed_cells: int
    invocations: int
    failed_invocations: int

    def to_dict(self) -> dict[str, int]:
        """Return plain values, for the run's last record."""
        return dataclasses.asdict(self)


class Session:
    """Carries one run to its end.

    Parameters
    ----------
    cells : the cells to run; excluded ones are in the header only.
    writer : the run's records, new or resumed.
    lines : what an earlier session of this run has written, or its header alone.
    locks : environment name -> lock hash. Environments that could not be built are in `broken` with their error.
    after_block : called with the records so far and the number of each block that this session has measured.
    baseline : the suite's (axis -> label); without one no protocol's budget is spent.
    package : the harness's own code that the children run.
    shorten : takes the paths of this machine out of what is written down.
    """

    def __init__(
        self,
        *,
        cells: list[Cell],
        writer: RunWriter,
        lines: Sequence[record.Record],
        children: Children,
        preparation: Preparation,
        locks: Mapping[str, str],
        broken: Mapping[str, StageError],
        host: str,
        view: View,
        seed: int,
        after_block: Callable[[Sequence[record.Record], int], None],
        package: Path = PACKAGE,
        baseline: Mapping[str, str] | None = None,
        shorten: Callable[[str], str] = str,
    ):
        self._cells = cells
        self._ledger = Ledger(writer, lines, view, shorten)
        self._children = children
        self._preparation = preparation
        self._locks = dict(locks)
        self._broken = broken
        self._host = host
        self._view = view
        self._seed = seed
        self._baseline = dict(baseline or {})
        self._scheduled = interleaved_groups(cells, self._baseline, seed)
        self._slot_count = sum(map(len, self._scheduled))
        self.invocations = Invocations(children, self._ledger, package)
        self._groups = InterleavedGroups(self.invocations, view)
        self._after_block = after_block
        self._package = package
        self._steps_done = 0

    @property
    def done(self) -> Progress:
        """What the run's records hold by now."""
        return self._ledger.done

    @property
    def path(self) -> Path:
        """The file of the run's records."""
        return self._ledger.path

    def run(self) -> Counts:
        """Prepare, evaluate and measure what is left; return what the run now holds.

        An interruption is written down and passed on; the records so far stand.
        """
        start = time.monotonic()
        steps = 2 * len(self._cells) + self._slot_count
        self._view.begin(f"run {self._ledger.run}: {len(self._cells)} cells, {self._slot_count} invocations", steps)
        try:
            self.prepare()
            prepared = [
                cell
                for cell in self._cells
                if self.invocations.is_prepared(cell) and not self.invocations.is_closed(cell)
            ]
            peaks.measure(prepared, self._children, self._ledger, self._view)
            self._measure_blocks()
            self._measure_further()
        except KeyboardInterrupt:
            self.end("interrupted", time.monotonic() - start)
            raise
        return self.end("complete", time.monotonic() - start)

    def prepare(self) -> None:
        """Prepare and evaluate each cell that is not yet."""
        for cell in self._cells:
            self._prepare(cell)

    def end(self, status: str, seconds: float) -> Counts:
        """Write down that this session has ended and return what the run now holds."""
        self._ledger.append(record.end(status, self.counts().to_dict(), seconds))
        return self.counts()

    def counts(self) -> Counts:
        """Return how much of the run there is by now."""
        done = self.done
        failed = done.failed_invocations.total() + done.failed_scenarios.total()
        return Counts(len(self._cells), len(done.failed), len(done.invoked) + len(done.scenarios), failed)

    def _measure_blocks(self) -> None:
        for block, of_block in itertools.groupby(self._scheduled, key=lambda group: group[0].block):
            in_block = list(of_block)
            measured = []
            for group in in_block:
                for slot in group:
                    self._step(f"group {slot.block + 1} {slot.cell.key}")
                measured.append(self._groups.measure(group))
            for slot in itertools.chain.from_iterable(in_block):
                self._measure_scenarios(slot.cell, slot.repetition)
            if any(measured):
                self._after_block(self._ledger.lines, block)

    def _measure_further(self) -> None:
        """Measure blocks in the place of disturbed ones, and those that a protocol's budget buys."""
        scheduled = list(itertools.chain.from_iterable(self._scheduled))
        more = further.blocks(self._cells, self._baseline, self.done, self.invocations.is_closed, scheduled, self._seed)
        for line, slots in more:
            self._view.note(line)
            self._groups.measure(slots)
            self._after_block(self._ledger.lines, slots[0].block)

    def _prepare(self, cell: Cell) -> None:
        """Bring one cell to an artefact and an accuracy, or to a failure record."""
        self._step(f"prepare {cell.key}")
        if cell.digest in self.done.failed:
            self._step("")
            return
        stage = "environment"
        try:
            for environment in (cell.model.environment, cell.backend.environment):
                if environment in self._broken:
                    raise self._broken[environment]
            stage = "prepare"
            cores = len(self._children.cores(cell))
            contents = self._preparation.contents(cell)
            keys = stage_keys(
                cell, locks=self._locks, host=self._host, cores=cores, contents=contents, package=self._package
            )
            prepared = self._preparation.prepare(cell, keys, lambda trial: self._ledger.trial(cell, trial))
            for trial in prepared.trials:
                self._ledger.trial(cell, trial)
            self.invocations.add(cell, prepared.artefact, prepared.tokenised)
            self._ledger.prepared(cell, prepared)
            stage = "evaluate"
            self._step(f"evaluate {cell.key}")
            self._record_accuracy(cell, keys, prepared)
        except StageError as error:
            self._ledger.failure(cell, stage, error)

    def _record_accuracy(self, cell: Cell, keys: StageKeys, prepared: Prepared) -> None:
        if cell.digest in self.done.evaluated:
            return
        accuracy = self._preparation.evaluate(cell, keys, prepared)
        isa_cap.require_held(cell, accuracy.values["executed"]["kernels"])
        self._ledger.result(
            record.accuracy,
            cell,
            artefact=prepared.artefact.key,
            tokenised=prepared.tokenised.key,
            reused=accuracy.reused,
            **accuracy.values,
        )
        metric = accuracy.values["metric"]
        self._view.note(f"  {cell.key}: {metric['name']} {metric['value']:.4f}")

    def _measure_scenarios(self, cell: Cell, block: int) -> None:
        """Measure the protocol's scenarios after a block's invocations, which are paired and so stay close together."""
        protocol, digest = cell.protocol, cell.digest
        if (
            block >= protocol.scenario.blocks
            or not self.invocations.is_prepared(cell)
            or self.invocations.is_closed(cell)
        ):
            return
        artefact, tokenised = self.invocations.inputs(cell)
        for name in protocol.scenarios:
            failed = self.done.failed_scenarios[digest, name]
            if (digest, block, name) in self.done.scenarios or failed >= FAILED_INVOCATIONS:
                continue
            self._view.progress("scenario", 0, 1, f"{name} of {cell.key}")
            try:
                what = scenarios.Measured(artefact.path, tokenised.path, block)
                values = scenarios.measure(self._children, cell, name, what)
                self._ledger.result(record.scenario, cell, artefact=artefact.key, block=block, scenario=name, **values)
                self._view.note(f"  {cell.key}: {scenarios.line(name, values)}")
            except StageError as error:
                self._ledger.failure(cell, "scenario", error, block, name)

    def _step(self, what: str) -> None:
        self._view.step(self._steps_done, what)
        self._steps_done += 1
