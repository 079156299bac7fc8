"""The child's side of the pipe: JSON lines to the parent, one object a line."""

from __future__ import annotations

import json
import time
from typing import IO, Any


class Report:
    """Writes progress and the result to the parent.

    Messages are ``{"event": "progress" | "trial" | "ready" | "result" | "failure", ...}``. Progress is sent at most
    four times a second, so that a parent that blocks on the pipe is woken seldom. Nothing is sent while a series is
    being timed.
    """

    def __init__(self, stream: IO[str], interval_seconds: float = 0.25):
        self._stream = stream
        self._interval_ns = int(interval_seconds * 1e9)
        self._last_ns = 0

    def progress(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Say that `done` of `total` steps of `stage` are behind us."""
        now = time.monotonic_ns()
        if done < total and now - self._last_ns < self._interval_ns:
            return
        self._last_ns = now
        self._send({"event": "progress", "stage": stage, "done": done, "total": total, "note": note})

    def trial(self, values: dict[str, Any]) -> None:
        """Send a trial of a tuning that has ended; each is sent, however fast they come."""
        self._send({"event": "trial", "trial": values})

    def ready(self) -> None:
        """Say that this child waits to be let go together with others; it sends nothing until it is."""
        self._send({"event": "ready"})

    def result(self, values: dict[str, Any]) -> None:
        """Send the stage's result; the last message of a child that succeeded. NaN and infinity are refused."""
        self._send({"event": "result", "values": values})

    def failure(self, kind: str, message: str) -> None:
        """Send a typed failure; the last message of a child that failed and could still speak."""
        self._send({"event": "failure", "kind": kind, "message": message})

    def _send(self, message: dict[str, Any]) -> None:
        self._stream.write(json.dumps(message, allow_nan=False, separators=(",", ":")) + "\n")
        self._stream.flush()
