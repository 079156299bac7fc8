"""Runs several children at the same time: each makes itself ready, then all are let go together."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.execute.process.launch import Outcome, Running, begin, close, launch
from harness.ipc.messages import Heard


@dataclass(frozen=True)
class Call:
    """What a child is started with; see :func:`harness.execute.process.launch.launch`."""

    python: Path
    spec: Mapping[str, Any]
    log_path: Path
    variables: Mapping[str, str]
    emulator: Sequence[str] = ()

    def begin(self, time_limit_seconds: float) -> Running | Outcome:
        """Start the child, as :func:`harness.execute.process.launch.begin` does."""
        return begin(
            self.python,
            self.spec,
            time_limit_seconds=time_limit_seconds,
            log_path=self.log_path,
            variables=self.variables,
            emulator=self.emulator,
        )

    def launch(self, time_limit_seconds: float, on_message: Callable[[dict[str, Any]], None] | None = None) -> Outcome:
        """Run the child to its end, as :func:`harness.execute.process.launch.launch` does."""
        return launch(
            self.python,
            self.spec,
            time_limit_seconds=time_limit_seconds,
            log_path=self.log_path,
            variables=self.variables,
            on_message=on_message,
            emulator=self.emulator,
        )


def launch_together(calls: Sequence[Call], *, time_limit_seconds: float, gate: Path) -> dict[int, Outcome]:
    """Start a child for each call, let all go when the last one is ready, and return place -> outcome.

    The gate is a file that this process holds an exclusive lock on (flock(2)) until every child has said ``ready``. A
    child waits for a shared lock on it, so nobody polls, and the kernel opens the gate also if this process dies. When
    a child cannot be started, or ends before it is ready, its outcome is the only one. No child is left when this
    returns or raises.

    Raises
    ------
    KeyboardInterrupt : passed on after all children have been ended.
    """
    outcomes: dict[int, Outcome] = {}
    heard: dict[int, Heard] = {}
    with gate.open("w") as held, contextlib.ExitStack() as closing:
        fcntl.flock(held, fcntl.LOCK_EX)
        running: list[Running] = []
        for place, call in enumerate(calls):
            begun = call.begin(time_limit_seconds)
            if isinstance(begun, Outcome):
                return {place: begun}
            running.append(begun)

            def end(place: int = place, begun: Running = begun) -> None:
                outcomes[place] = close(begun, heard.get(place, Heard("ended")))

            closing.callback(end)
        for place, one in enumerate(running):
            heard[place] = one.listen(pass_over, ("ready", "result", "failure"))
            if heard[place].last.get("event") != "ready":
                closing.close()
                return {place: outcomes[place]}
        fcntl.flock(held, fcntl.LOCK_UN)
        # One after the other: what a child has to say waits in its pipe, and its measuring is over by then.
        for place, one in enumerate(running):
            heard[place] = one.listen(pass_over)
    return outcomes


def pass_over(message: dict[str, Any]) -> None:
    """Show nobody the progress of one child of several."""
