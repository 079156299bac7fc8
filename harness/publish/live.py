"""What a person sees while a run goes on: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from harness.errors import shortened
from harness.faults import LONGEST_MESSAGE
from harness.publish.tuning import trials
from harness.text.printable import plain
from harness.text.terminal import Console, Text

#: A terminal has room for so many trials above the bars.
SHOWN_TRIALS = 12


class PlainView:
    """Plain lines: one for each step, and one for the progress of a stage or a build at most every ten seconds."""

    def __init__(self, console: Console, interval_seconds: float = 10.0):
        self._console = console
        self._interval = interval_seconds
        self._last: dict[str, float] = {}
        self._steps = 0
        self._start = time.monotonic()

    def __enter__(self) -> PlainView:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def begin(self, title: str, steps: int) -> None:
        self._steps = steps
        self.note(title)

    def step(self, done: int, what: str) -> None:
        elapsed = time.monotonic() - self._start
        self.note(f"[{done}/{self._steps} {elapsed:5.0f} s] {what}")

    def progress(self, stage: str, done: int, total: int, note: str = "") -> None:
        self._now_and_then("stage", f"    {stage} {done}/{total} {note}".rstrip())

    def building(self, environment: str, note: str | None) -> None:
        if note is not None:
            self._now_and_then(f"environment {environment}", f"    environment {environment}: {note}")

    def note(self, line: str) -> None:
        self._console.print(_line(line), soft_wrap=True)

    def trial(self, cell: str, trial: Mapping[str, Any]) -> None:
        self.note(f"  {cell}: {trials.summary(trial)}")

    def _now_and_then(self, what: str, line: str) -> None:
        now = time.monotonic()
        if now - self._last.get(what, -math.inf) >= self._interval:
            self._last[what] = now
            self.note(line)


class LiveView:
    """A bar over the run's steps, one over the stage under way and one for each environment that is being built.

    Results so far scroll by above them.

    The trials of a tuning are a table above the bars while it goes on, and scroll by when it has ended.
    """

    def __init__(self, console: Console):
        self._console = console
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._bars = Progress(*columns, console=console)
        self._run = self._bars.add_task("run", total=None)
        self._stage = self._bars.add_task("", total=None, visible=False)
        self._built: dict[str, TaskID] = {}
        self._tuned = ""
        self._trials: list[Mapping[str, Any]] = []
        # Two frames a second: the parent must not burn the core that a child is measured on.
        self._live = Live(self._bars, console=console, refresh_per_second=2, auto_refresh=False, transient=True)

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_trials()
        self._live.stop()

    def begin(self, title: str, steps: int) -> None:
        self._bars.update(self._run, total=steps, description="run")
        self.note(title)

    def step(self, done: int, what: str) -> None:
        self._end_trials()
        self._bars.update(self._run, completed=done)
        self._bars.update(self._stage, description=_shown(what), visible=True, completed=0, total=None)
        self._live.refresh()

    def progress(self, stage: str, done: int, total: int, note: str = "") -> None:
        text = _shown(f"{stage} {note}")
        self._bars.update(self._stage, description=text, completed=done, total=total, visible=True)
        self._live.refresh()

    def building(self, environment: str, note: str | None) -> None:
        if note is None:
            if environment in self._built:
                self._bars.remove_task(self._built.pop(environment))
        else:
            text = _shown(f"{environment}: {note}")
            if environment not in self._built:
                self._built[environment] = self._bars.add_task(text, total=None)
            self._bars.update(self._built[environment], description=text)
        self._live.refresh()

    def note(self, line: str) -> None:
        self._console.print(_line(line))
        self._live.refresh()

    def trial(self, cell: str, trial: Mapping[str, Any]) -> None:
        if cell != self._tuned:
            self._end_trials()
        self._tuned = cell
        self._trials.append(trial)
        # What may stand below the table comes when the tuning has ended: on a narrow terminal it leaves no room.
        title, table, *_ = self._shown(cell, self._trials[-SHOWN_TRIALS:])
        self._live.update(Group(title, table, self._bars), refresh=True)

    def _end_trials(self) -> None:
        if self._trials:
            self._console.print(*self._shown(self._tuned, self._trials), sep="\n")
            self._trials = []
            self._live.update(self._bars, refresh=True)

    def _shown(self, cell: str, told: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
        table, recipes = trials.shown(trials.so_far(cell, told), self._console.width)
        return [Text(f"trials of {cell}"), table, *recipes]


def _line(text: str) -> Text:
    """Return what is said in passing; of a failure's long message the record holds the whole."""
    return Text(shortened(plain(text), LONGEST_MESSAGE))


def _shown(text: str) -> str:
    """Return what a bar is called: one short line, as it is."""
    return escape(plain(text)[:48])


def view_for(console: Console) -> PlainView | LiveView:
    """Return the live display on a terminal, the plain lines elsewhere."""
    return LiveView(console) if console.is_terminal else PlainView(console)
