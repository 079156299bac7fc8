"""What the session tells a person while it works; the room `publish` shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class View(Protocol):
    """What the session tells while it works."""

    def begin(self, title: str, steps: int) -> None:
        """A run of so many steps (stages and invocations) begins."""

    def step(self, done: int, what: str) -> None:
        """So many steps are done; `what` goes on now."""

    def progress(self, stage: str, done: int, total: int, note: str = "") -> None:
        """The stage under way has done so much of its own work."""

    def building(self, environment: str, note: str | None) -> None:
        """An environment, maybe one of several at a time, is being built and has come so far; None: no more."""

    def note(self, line: str) -> None:
        """One line that stays."""

    def trial(self, cell: str, trial: Mapping[str, Any]) -> None:
        """A trial of the tuning of `cell`, its key, has ended, with the fields of its record."""
