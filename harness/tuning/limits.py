"""A time limit inside a trial, not only between two of them."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType


class TrialTimeout(BaseException):
    """The time is over. Not an Exception, so that no handler in an evaluation takes it for a failure of its own."""


@contextlib.contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise :class:`TrialTimeout` in the body once `seconds` have passed; None sets no limit.

    By the process's real-time timer, so it interrupts a sleep, a wait or Python code at once, and a call into a
    framework as soon as that returns. Signals reach the main thread only: in any other, the body runs to its end.
    A timer that was set outside goes on afterwards.
    """
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    armed = True

    def expire(signum: int, frame: FrameType | None) -> None:
        if armed:
            raise TrialTimeout

    handler = signal.signal(signal.SIGALRM, expire)
    started = time.monotonic()
    outer_seconds, outer_interval = signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))
    try:
        yield
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if outer_seconds:
            left = max(outer_seconds - (time.monotonic() - started), 1e-6)
            signal.setitimer(signal.ITIMER_REAL, left, outer_interval)


@contextlib.contextmanager
def suspended() -> Iterator[None]:
    """Let no limit that was set outside interrupt the body, whose time counts all the same: it comes after it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    started = time.monotonic()
    seconds, interval = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        if seconds:
            signal.setitimer(signal.ITIMER_REAL, max(seconds - (time.monotonic() - started), 1e-6), interval)
