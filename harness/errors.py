"""What can go wrong, as types: a user's mistake is one clear line, a failed stage is a record with a kind."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from harness.text.printable import plain

#: Every kind a failure record may carry. A reader can rely on no other being written.
FAILURE_KINDS = (
    "bad_config",  # the cell's fields contradict each other in a way only the child can see
    "missing_file",  # a named file or folder is not there
    "damaged",  # a hash or an archive does not check
    "bad_data",  # empty, one class, wrong columns
    "bad_labels",  # labels that do not fit the model's head
    "no_network",  # a package or hub could not be reached
    "no_package",  # reached, but it has no such package, version or revision
    "environment",  # a backend's environment could not be built
    "import_error",  # the framework did not import in its environment
    "nan",  # logits or loss are not finite
    "no_int8_kernels",  # a cell that claims INT8 ran none
    "isa_ceiling",  # kernels above the cell's ceiling or emulated CPU ran, or none told its instruction set
    "oom",  # the memory limit, or the kernel's
    "disk_full",  # no space left
    "timeout",  # the time limit
    "crash",  # died by a signal or left without a result
    "protocol",  # spoke rubbish on its pipe
    "dependency",  # an earlier stage that this cell needs has failed
    "error",  # any other exception; the message holds its type
)

#: Characters of a value that a message shows.
_SHOWN = 60

#: Names that a message lists at most: those of a folder can be thousands.
_LISTED = 20


class UserError(Exception):
    """Bad input from a person: shown as one line, exit status 2, never a traceback."""


class UnwritableError(UserError):
    """A file that shows results cannot be written; what it would hold can still be printed."""


class StageError(Exception):
    """A stage failed in a way that has a name.

    Parameters
    ----------
    kind : one of :data:`FAILURE_KINDS`.
    message : one line that names the file or field, what was wrong and what would be right.
    """

    def __init__(self, kind: str, message: str):
        if kind not in FAILURE_KINDS:
            raise ValueError(f"unknown failure kind {kind!r}")
        super().__init__(message)
        self.kind = kind
        self.message = message


def shortened(text: str, most: int) -> str:
    """Return a text of at most `most` characters: what is left out stood between its first two thirds and its end."""
    if len(text) <= most:
        return text
    head = (most - 5) * 2 // 3
    return f"{text[:head]} ... {text[len(text) - (most - 5 - head) :]}"


def shown(value: object) -> str:
    """Return a value as a message shows it: on one line, and of a long one its beginning and its end."""
    try:
        text = str(value)
    except ValueError:  # a number of more than 4,300 digits
        text = "a number of thousands of digits"
    return shortened(plain(text[:10_000]), _SHOWN)


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest valid name, else the valid names, or the first of very many."""
    names = sorted(set(valid))
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{close[0]}'?"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"; valid: {', '.join(names[:_LISTED])}{more}" if names else ""
