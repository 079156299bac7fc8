"""Measures the slots of a group interleaved; each by itself where memory is too small for all, or one fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.execute.process.interleaved import launch_interleaved, pipes
from harness.execute.process.launch import Outcome
from harness.execute.run.invocations import Invocations
from harness.execute.run.schedule import Slot
from harness.execute.run.view import View

#: Of a series interleaved: so long on the slowest cell, if its protocol does not say longer, and no fewer.
TURNS_SECONDS, LEAST_TURNS = 0.75, 3


def interleaved_outcomes(
    variants: Sequence[tuple[Invocations, Slot]],
    *,
    seconds: float,
    least: int,
    on_ready: Callable[[int], None] = lambda place: None,
) -> dict[int, Outcome]:
    """Measure prepared slots interleaved and return place -> outcome; where one fails, its outcome is the only one.

    Parameters
    ----------
    seconds, least : as for :func:`harness.execute.process.interleaved.pipes`.
    on_ready : as for :func:`harness.execute.process.interleaved.launch_interleaved`.
    """
    with pipes(len(variants), seconds=seconds, least=least) as ends:
        calls = [
            invocations.call(slot, end, len(variants)) for (invocations, slot), end in zip(variants, ends, strict=True)
        ]
        limit = max(slot.cell.protocol.time_limit_seconds for _, slot in variants)
        return launch_interleaved(calls, time_limit_seconds=limit, on_ready=on_ready)


class InterleavedGroups:
    """The interleaved groups of a run, and which of its comparison groups were too much for the memory."""

    def __init__(self, invocations: Invocations, view: View):
        self._invocations = invocations
        self._view = view
        self._apart: set[str] = set()  # groups whose cells do not fit into memory together

    def measure(self, slots: Sequence[Slot]) -> bool:
        """Measure what is left of some slots of a comparison group; say whether that was anything.

        Where one of several fails, each is measured by itself, so that the failure is that of the cell which has it.
        """
        left = [slot for slot in slots if self._invocations.is_open(slot)]
        together = [slot for slot in left if self._invocations.is_prepared(slot.cell)]
        if len(together) > 1 and self._fit(together):
            self._measure_together(together)
        for slot in filter(self._invocations.is_open, left):
            self._view.progress("measure", 0, 1, slot.cell.key)
            self._invocations.measure(slot)
        return bool(left)

    def _fit(self, slots: Sequence[Slot]) -> bool:
        cell = slots[0].cell
        return (
            cell.group not in self._apart and len(slots) <= cell.protocol.in_turns and self._invocations.can_interleave
        )

    def _measure_together(self, slots: Sequence[Slot]) -> None:
        def show(place: int) -> None:
            self._view.progress("load", place + 1, len(slots), slots[place].cell.key)

        variants = [(self._invocations, slot) for slot in slots]
        outcomes = interleaved_outcomes(variants, seconds=TURNS_SECONDS, least=LEAST_TURNS, on_ready=show)
        ring = [slot.order for slot in slots]
        for place, outcome in sorted(outcomes.items()):
            if len(outcomes) == len(slots):
                self._invocations.take(slots[place], outcome, ring)
                continue
            self._view.note(f"  {slots[place].cell.key}: {outcome.status} interleaved; each by itself")
            if outcome.status == "oom":
                self._apart.add(slots[place].cell.group)
