"""Processes that are timed interleaved: while one makes a few forward passes, the others are stopped.

What slows a shared host down for a while then falls on all of them alike, and cancels from their ratios turn by turn:
the duet of L. Bulej et al. (Duet benchmarking, ICPE 2020), but one after the other, so that they do not compete for
cores. The others are stopped by a signal, for the threads of many a runtime spin on for a while after their work is
done.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from typing import Any

#: Whatever is passed on is one write and one read: a pipe keeps up to so many bytes together (PIPE_BUF, pipe(7)).
_MOST_BYTES = 4096


class Turns:
    """One side's place in a circle of named FIFOs (pipe(7)) by which two or more sides take turns.

    All sides must call the same methods in the same order: `begin`, then `turn` and `agree`, then `end`.

    Parameters
    ----------
    own : the pipe from which this side's turn comes.
    next : the pipe through which the next one's turn is given.
    is_first : whether the first turn is this side's.
    """

    def __init__(self, own: str, next: str, is_first: bool):
        # For reading and writing, so that opening waits for nobody. Who waits for a side that has died is ended by the
        # parent, which sees it.
        self._own, self._next = os.open(own, os.O_RDWR), os.open(next, os.O_RDWR)
        self._is_first = is_first
        self._holds = is_first
        self._others: list[int] = []

    def begin(self) -> None:
        """Return when all sides are ready for their first turn."""
        mine = os.getpid()
        self._others = [one for one in self._around([mine], lambda told: [*told, mine]) if one != mine]

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for this side's turn, have the others stopped in the body, and give the next one its turn."""
        if not self._holds:
            self._wait()
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)
        self._give(None)
        self._holds = False

    def agree(self, number: int) -> int:
        """Return the smallest one of all sides' numbers."""
        return self._around(number, lambda told: min(told, number))

    def end(self) -> None:
        """Return when all sides are done with their last turn."""
        self._around(None, lambda told: told)

    def close(self) -> None:
        """Close the pipes."""
        os.close(self._own)
        os.close(self._next)

    def _around(self, value: Any, joined: Callable[[Any], Any]) -> Any:
        """Return what becomes of the first side's value when each one joins its own to it; the first turn is next.

        It goes around twice, once to be joined and once to be told, and then the first side holds its turn.
        """
        if self._is_first:
            if not self._holds:
                self._wait()
            self._give(value)
            value = self._wait()
            self._give(value)
            self._wait()
            self._holds = True
        else:
            self._give(joined(self._wait()))
            value = self._wait()
            self._give(value)
        return value

    def _wait(self) -> Any:
        return json.loads(os.read(self._own, _MOST_BYTES))

    def _give(self, value: Any) -> None:
        os.write(self._next, json.dumps(value).encode())

    def _signal(self, number: signal.Signals) -> None:
        for process in self._others:
            # It may have come to its end; its number is not given anew before the parent, which has all, is done.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)


@contextlib.contextmanager
def of(options: Mapping[str, Any]) -> Iterator[Turns | None]:
    """Give this side's turns, None where a process is timed alone."""
    told = options.get("turns")
    if told is None:
        yield None
        return
    turns = Turns(told["own"], told["next"], told["is_first"])
    try:
        yield turns
    finally:
        turns.close()
