"""Two processes that are timed in turns: while one makes a few forward passes, the other is stopped.

What slows a shared host down for a while then falls on both sides of a comparison alike, and cancels from their ratio
turn by turn: the duet of L. Bulej et al. (Duet benchmarking, ICPE 2020), but one after the other, so that the sides do
not compete for cores. The other is stopped by a signal, for the threads of many a runtime spin on for a while after
their work is done.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
from collections.abc import Iterator, Mapping
from typing import Any

#: What is passed on: a number, which is nothing but a turn where nobody asked for one.
_TOKEN = struct.Struct("=i")


class Turns:
    """One side's end of the two pipes, named FIFOs of pipe(7), by which the sides take turns.

    Both sides must call the same methods in the same order: `begin`, then `turn` and `agree`, then `end`.

    Parameters
    ----------
    own : the pipe from which this side's turn comes.
    other : the pipe through which the other's turn is given.
    is_first : whether the first turn is this side's.
    """

    def __init__(self, own: str, other: str, is_first: bool):
        # For reading and writing, so that opening waits for nobody. Who waits for a side that has died is ended by the
        # parent, which sees it.
        self._own, self._other = os.open(own, os.O_RDWR), os.open(other, os.O_RDWR)
        self._is_first = is_first
        self._holds = is_first
        self._partner: int | None = None

    def begin(self) -> None:
        """Return when both sides are ready for their first turn."""
        self._partner = self._exchange(os.getpid())

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for this side's turn, have the other stopped in the body, and give it its turn."""
        self._take()
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)
        self._give(0)

    def agree(self, number: int) -> int:
        """Return the smaller one of both sides' numbers."""
        return min(number, self._exchange(number))

    def end(self) -> None:
        """Return when both sides are done with their last turn."""
        if self._is_first:
            self._take()

    def close(self) -> None:
        """Close the pipes."""
        os.close(self._own)
        os.close(self._other)

    def _exchange(self, number: int) -> int:
        """Give the other side a number and return its own; the next turn is the first side's, as before."""
        if self._is_first:
            self._take()
            self._give(number)
        told = self._wait()
        if self._is_first:
            self._holds = True
        else:
            self._give(number)
        return told

    def _take(self) -> None:
        if not self._holds:
            self._wait()
        self._holds = True

    def _wait(self) -> int:
        return _TOKEN.unpack(os.read(self._own, _TOKEN.size))[0]

    def _give(self, number: int) -> None:
        self._holds = False
        os.write(self._other, _TOKEN.pack(number))

    def _signal(self, number: signal.Signals) -> None:
        # It may have come to its end; its number is not given anew before the parent, which has both, is done.
        assert self._partner is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._partner, number)


@contextlib.contextmanager
def of(options: Mapping[str, Any]) -> Iterator[Turns | None]:
    """Give this side's turns, None where a process is timed alone."""
    told = options.get("turns")
    if told is None:
        yield None
        return
    turns = Turns(told["own"], told["other"], told["is_first"])
    try:
        yield turns
    finally:
        turns.close()
