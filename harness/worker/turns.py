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

#: What is passed on: the process that passes it, which is to be stopped.
_TOKEN = struct.Struct("=i")

#: Nobody is to be stopped: both have come to their end.
_NOBODY = 0


class Turns:
    """One side's end of the two pipes, named FIFOs of pipe(7), by which the sides take turns.

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
        self._holds = False

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for this side's turn, have the other stopped in the body, and give it its turn."""
        partner = _NOBODY if self._holds else self._wait()
        self._holds = False
        _signal(partner, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(partner, signal.SIGCONT)
        self._give(os.getpid())

    def begin(self) -> None:
        """Return when both sides are ready for their first turn."""
        if self._is_first:
            self._give(_NOBODY)
            self._wait()
            self._holds = True
        else:
            self._wait()
            self._give(_NOBODY)

    def end(self) -> None:
        """Return when both sides are done with their last turn, of which they had equally many."""
        if self._is_first:
            self._wait()

    def close(self) -> None:
        """Close the pipes."""
        os.close(self._own)
        os.close(self._other)

    def _wait(self) -> int:
        return _TOKEN.unpack(os.read(self._own, _TOKEN.size))[0]

    def _give(self, process: int) -> None:
        os.write(self._other, _TOKEN.pack(process))


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


def _signal(process: int, number: signal.Signals) -> None:
    # It may have come to its end; its number is not given anew before the parent, which has both, is done.
    if process != _NOBODY:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
