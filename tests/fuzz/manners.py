"""What a command may print, and with which exit status it may end, whatever its input was."""

from __future__ import annotations

import contextlib
import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

#: Done, gate failed, wrong usage, cell failed, gate undecided. 70 says that the harness itself has a fault.
STATUSES = (0, 1, 2, 3, 4)

#: Of one message, whatever the input was.
MESSAGE_LINES, MESSAGE_CHARACTERS = 2, 400

_BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def manners(status: int, stdout: str, stderr: str) -> Iterator[str]:
    """Yield what is wrong with an exit status and with what was printed."""
    if status not in STATUSES:
        yield f"status {status}: {_report_place(stderr)}"
        return
    for name, text in (("stdout", stdout), ("stderr", stderr)):
        if "Traceback (most recent call last)" in text:
            yield f"traceback: printed on {name}"
        if any(map(_is_raw, text)):
            yield f"raw text: control or bidirectional characters on {name}"
    if status == 2:
        yield from _message(stdout, stderr)


def _message(stdout: str, stderr: str) -> Iterator[str]:
    """Yield what is wrong with the message of a refusal: the last one on stderr, or a plan's list of problems."""
    place = stderr.rfind("harness: ")
    if place < 0:
        if "problem" not in stdout:
            yield "message: a refusal without one"
        return
    # Lines on what is passed over may stand before it.
    if len(re.findall("^harness: ", stderr, re.MULTILINE)) > 1:
        yield "message: more than one"
    message = stderr[place:].strip()
    if message.count("\n") >= MESSAGE_LINES:
        yield f"message: more than {MESSAGE_LINES} lines: {_first_words(message)}"
    if len(message) > MESSAGE_CHARACTERS:
        yield f"message: more than {MESSAGE_CHARACTERS} characters: {_first_words(message)}"
    if "stopped by the test" in message:
        return
    if message.removeprefix("harness: ").strip() in ("", "None"):
        yield "message: an empty one"


def is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=lambda name: float(f"no JSON: {name}"))
    except (ValueError, RecursionError):
        return "usage: harness" in text
    return True


def _first_words(message: str) -> str:
    """Return the fixed words of a message, without what it quotes."""
    words = re.findall(r"[A-Za-z]{2,}", message.removeprefix("harness: ")[-200:])
    return " ".join(words[-6:])


def _is_raw(character: str) -> bool:
    if character in "\n\t":
        return False
    return unicodedata.category(character) in ("Cc", "Cs") or character in _BIDIRECTIONAL or character in "\u2028\u2029"


def _report_place(stderr: str) -> str:
    """Return the place that the full report of an unforeseen error names, where it can be read."""
    for path in re.findall(r"(/\S+)", stderr):
        with contextlib.suppress(OSError):
            text = Path(path.rstrip(".,;)")).read_text(errors="replace")
            frames = re.findall(r'File "[^"]*/(harness/[^"]+)", line (\d+), in (\S+)', text)
            last = text.strip().splitlines()[-1] if text.strip() else ""
            if frames:
                name, line, function = frames[-1]
                return f"{last.split(':')[0]} at {name}:{line} ({function})"
    return "no report found"
