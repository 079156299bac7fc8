"""Listens to a child: its JSON lines, its end, and a deadline, whichever comes first; blocks in between."""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

#: A child that sends more than this without a newline speaks rubbish.
LONGEST_MESSAGE_BYTES = 256 * 2**20

#: A child that has closed its pipe has nothing more to say, and gets this long to end.
CLOSED_SECONDS = 20.0

#: Event -> the fields it must have, and their types.
_EVENTS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "progress": {"stage": str, "done": (int, float), "total": (int, float)},
    "trial": {"trial": dict},
    "ready": {},
    "result": {"values": dict},
    "failure": {"kind": str, "message": str},
}


@dataclass(frozen=True)
class Heard:
    """Why listening to a child has come to its end.

    `reason` is ``message`` (then `last` is it), ``timeout``, ``rubbish`` (`detail` says what it was), ``ended``,
    ``cut off`` (ended within a line), or ``silent`` (alive, but has closed its pipe).
    """

    reason: str
    last: dict[str, Any] = field(default_factory=dict)
    detail: str = ""


class MalformedMessage(Exception):
    """What the child has sent is no message of ours; the text says what it was."""


class Lines:
    """Puts lines together from what a pipe yields piece by piece."""

    def __init__(self, longest_bytes: int = LONGEST_MESSAGE_BYTES):
        self._longest = longest_bytes
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that `chunk` completes, without empty ones; raise :class:`MalformedMessage` if none ends."""
        *whole, rest = chunk.split(b"\n")
        if whole:
            whole[0] = b"".join([*self._parts, whole[0]])
            self._parts, self._size = [], 0
        self._parts.append(rest)
        self._size += len(rest)
        if self._size > self._longest:
            raise MalformedMessage(f"a line of over {self._longest} bytes")
        return [line for line in whole if line.strip()]

    @property
    def cut_off(self) -> bool:
        """Whether a line was begun and not completed."""
        return any(part.strip() for part in self._parts)


def listen(
    reading: int,
    process: int,
    deadline: float,
    on_message: Callable[[dict[str, Any]], None],
    until: tuple[str, ...] = ("result", "failure"),
) -> Heard:
    """Listen until the child's last message (result or failure), its end or the deadline, and return what it was.

    Parameters
    ----------
    reading : the pipe's end; made non-blocking.
    process : the child's pidfd. Its end is seen here even where a grandchild still holds the pipe open.
    deadline : of ``time.monotonic()``.
    on_message : called with each message before the last, of progress or of a trial.
    until : the events that end the listening. A child that is `ready` sends nothing more before it is let go, so that
        listening again misses nothing.
    """
    os.set_blocking(reading, False)
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    poll.register(process, select.POLLIN)
    lines = Lines()
    patience, reason = deadline, "timeout"
    while True:
        left = patience - time.monotonic()
        events = dict(poll.poll(left * 1000)) if left > 0 else {}
        if not events:
            return Heard(reason)
        chunk = _read(reading)
        try:
            for line in lines.feed(chunk or b""):
                message = decode(line)
                if message["event"] in until:
                    return Heard("message", message)
                on_message(message)
        except MalformedMessage as error:
            return Heard("rubbish", detail=str(error))
        if not chunk and process in events:
            return Heard("cut off" if lines.cut_off else "ended")
        if chunk == b"" and reason == "timeout":
            poll.unregister(reading)
            if time.monotonic() + CLOSED_SECONDS < deadline:
                patience, reason = time.monotonic() + CLOSED_SECONDS, "silent"


def decode(line: bytes) -> dict[str, Any]:
    """Return the message of a line; raise :class:`MalformedMessage` for anything else, NaN and infinity included."""
    try:
        message: dict[str, Any] = json.loads(line, parse_constant=_refuse)
        if all(isinstance(message[name], wanted) for name, wanted in _EVENTS[message["event"]].items()):
            return message
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise MalformedMessage(f"{line[:80]!r}")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _read(descriptor: int) -> bytes | None:
    """Return what is there now: None for nothing yet, no bytes for a closed pipe."""
    try:
        return os.read(descriptor, 2**20)
    except BlockingIOError:
        return None
