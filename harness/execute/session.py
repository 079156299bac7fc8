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
from typing import Any

from harness.errors import StageError
from harness.execute import further, peaks, scenarios
from harness.execute.artefacts import Artefact
from harness.execute.child import Children, require_ok
from harness.execute.done import Done
from harness.execute.imported import PACKAGE
from harness.execute.instances import Call
from harness.execute.launch import Outcome
from harness.execute.ledger import Ledger
from harness.execute.preparation import Preparation, Prepared
from harness.execute.rings import Rings
from harness.execute.schedule import Slot, rings
from harness.execute.stages import StageKeys, stage_keys
from harness.execute.turns import knows_turns
from harness.execute.view import View
from harness.plan import ceilings
from harness.plan.cell import Cell
from harness.plan.config import FAILED_INVOCATIONS
from harness.results import record
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
    done : what an earlier session of this run has written.
    locks : environment name -> lock hash. Environments that could not be built are in `broken` with their error.
    after_block : called with the number of each block that this session has measured.
    baseline : the suite's (axis -> label); without one no protocol's budget is spent.
    package : the harness's own code that the children run.
    shorten : takes the paths of this machine out of what is written down.
    """

    def __init__(
        self,
        *,
        cells: list[Cell],
        writer: RunWriter,
        done: Done,
        children: Children,
        preparation: Preparation,
        locks: Mapping[str, str],
        broken: Mapping[str, StageError],
        host: str,
        view: View,
        seed: int,
        after_block: Callable[[int], None],
        package: Path = PACKAGE,
        baseline: Mapping[str, str] | None = None,
        shorten: Callable[[str], str] = str,
    ):
        self._cells = cells
        self._ledger = Ledger(writer, done, view, shorten)
        self._children = children
        self._preparation = preparation
        self._locks = dict(locks)
        self._broken = broken
        self._host = host
        self._view = view
        self._seed = seed
        self._baseline = dict(baseline or {})
        self._scheduled = rings(cells, self._baseline, seed)
        self._slot_count = sum(map(len, self._scheduled))
        self._rings = Rings(self, view)
        self._after_block = after_block
        self._package = package
        self._steps_done = 0
        self._artefacts: dict[str, tuple[Artefact, Artefact]] = {}

    @property
    def done(self) -> Done:
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
            prepared = [cell for cell in self._cells if self.is_prepared(cell) and not self.is_closed(cell)]
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
        for block, of_block in itertools.groupby(self._scheduled, key=lambda ring: ring[0].block):
            in_block = list(of_block)
            measured = []
            for ring in in_block:
                for slot in ring:
                    self._step(f"ring {slot.block + 1} {slot.cell.key}")
                measured.append(self._rings.measure(ring))
            for slot in itertools.chain.from_iterable(in_block):
                self._measure_scenarios(slot.cell, slot.repetition)
            if any(measured):
                self._after_block(block)

    def _measure_further(self) -> None:
        """Measure blocks in the place of disturbed ones, and those that a protocol's budget buys."""
        scheduled = list(itertools.chain.from_iterable(self._scheduled))
        more = further.blocks(self._cells, self._baseline, self.done, self.is_closed, scheduled, self._seed)
        for line, slots in more:
            self._view.note(line)
            self._rings.measure(slots)
            self._after_block(slots[0].block)

    def is_open(self, slot: Slot) -> bool:
        """Say whether a slot is to be measured: it is not yet, and its cell has not failed."""
        return (slot.cell.digest, slot.block) not in self.done.invoked and not self.is_closed(slot.cell)

    def is_prepared(self, cell: Cell) -> bool:
        """Say whether a cell has an artefact that can be measured."""
        return cell.digest in self._artefacts

    def is_closed(self, cell: Cell) -> bool:
        """Say whether a cell is not measured any more."""
        digest = cell.digest
        return digest in self.done.failed or self.done.failed_invocations[digest] >= FAILED_INVOCATIONS

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
            self._artefacts[cell.digest] = (prepared.artefact, prepared.tokenised)
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
        ceilings.require_held(cell, accuracy.values["executed"]["kernels"])
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

    def measure(self, slot: Slot) -> None:
        """Measure one slot and write down what came of it."""
        if self.is_prepared(slot.cell):
            self.take(slot, self.call(slot).launch(slot.cell.protocol.time_limit_seconds))

    def call(self, slot: Slot, turns: Mapping[str, Any] | None = None, sides: int = 1) -> Call:
        """Return what an invocation of a prepared cell is started with.

        Parameters
        ----------
        turns : its place among `sides` that are timed in turns (see :mod:`harness.execute.turns`).
        """
        cell = slot.cell
        artefact, tokenised = self._artefacts[cell.digest]
        return self._children.call(
            "measure",
            cell,
            environment=cell.backend.environment,
            inputs={"artefact": artefact.path, "tokenised": tokenised.path},
            options={"block": slot.block} | ({} if turns is None else {"turns": dict(turns)}),
            share=sides,
        )

    @property
    def knows_turns(self) -> bool:
        """Whether its children can be timed in turns with those of another session."""
        return knows_turns(self._package)

    def take(self, slot: Slot, outcome: Outcome, ring: Sequence[int] | None = None) -> None:
        """Write down what came of an invocation; `ring` holds the orders of those timed in turns with it."""
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

    def _measure_scenarios(self, cell: Cell, block: int) -> None:
        """Measure the protocol's scenarios after a block's invocations, which are paired and so stay close together."""
        protocol, digest = cell.protocol, cell.digest
        if block >= protocol.scenario.blocks or not self.is_prepared(cell) or self.is_closed(cell):
            return
        artefact, tokenised = self._artefacts[digest]
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
