"""Measures the slots of a ring in turns; each by itself where they do not fit into memory together, or one fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from harness.execute.launch import Outcome
from harness.execute.schedule import Slot
from harness.execute.turns import launch_in_turns, pipes
from harness.execute.view import View

if TYPE_CHECKING:
    from harness.execute.session import Session

#: Of a series in turns: so long on the slowest cell, if its protocol does not say longer, and no fewer.
TURNS_SECONDS, LEAST_TURNS = 0.75, 3


def outcomes_in_turns(
    sides: Sequence[tuple[Session, Slot]],
    *,
    seconds: float,
    least: int,
    on_ready: Callable[[int], None] = lambda place: None,
) -> dict[int, Outcome]:
    """Measure prepared slots in turns and return place -> outcome; where one fails, its outcome is the only one.

    Parameters
    ----------
    seconds, least : as for :func:`harness.execute.turns.pipes`.
    on_ready : as for :func:`harness.execute.turns.launch_in_turns`.
    """
    with pipes(len(sides), seconds=seconds, least=least) as ends:
        calls = [session.call(slot, end, len(sides)) for (session, slot), end in zip(sides, ends, strict=True)]
        limit = max(slot.cell.protocol.time_limit_seconds for _, slot in sides)
        return launch_in_turns(calls, time_limit_seconds=limit, on_ready=on_ready)


class Rings:
    """The rings of a session, and which of its comparison groups were too much for the memory."""

    def __init__(self, session: Session, view: View):
        self._session = session
        self._view = view
        self._apart: set[str] = set()  # groups whose cells do not fit into memory together

    def measure(self, slots: Sequence[Slot]) -> bool:
        """Measure what is left of some slots of a comparison group; say whether that was anything.

        Where one of several fails, each is measured by itself, so that the failure is that of the cell which has it.
        """
        left = [slot for slot in slots if self._session.is_open(slot)]
        together = [slot for slot in left if self._session.is_prepared(slot.cell)]
        if len(together) > 1 and self._fit(together):
            self._measure_together(together)
        for slot in filter(self._session.is_open, left):
            self._view.progress("measure", 0, 1, slot.cell.key)
            self._session.measure(slot)
        return bool(left)

    def _fit(self, slots: Sequence[Slot]) -> bool:
        cell = slots[0].cell
        return cell.group not in self._apart and len(slots) <= cell.protocol.in_turns and self._session.knows_turns

    def _measure_together(self, slots: Sequence[Slot]) -> None:
        def show(place: int) -> None:
            self._view.progress("load", place + 1, len(slots), slots[place].cell.key)

        sides = [(self._session, slot) for slot in slots]
        outcomes = outcomes_in_turns(sides, seconds=TURNS_SECONDS, least=LEAST_TURNS, on_ready=show)
        ring = [slot.order for slot in slots]
        for place, outcome in sorted(outcomes.items()):
            if len(outcomes) == len(slots):
                self._session.take(slots[place], outcome, ring)
                continue
            self._view.note(f"  {slots[place].cell.key}: {outcome.status} in turns; each by itself")
            if outcome.status == "oom":
                self._apart.add(slots[place].cell.group)
