"""What measuring both sides of a trend's candidate again has shown: one append-only file a machine, a line each.

::

    ROOT/confirmations/MACHINE.jsonl
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError

FOLDER = "confirmations"


@dataclass(frozen=True)
class Confirmation:
    """One candidate, measured again.

    `before` and `after` are the runs whose environments stood on the two sides, `runs` the new ones that hold the
    records. `verdict` is faster, slower, equivalent or inconclusive, `because` says why where it is the last. `ratio`
    is the time (or the rate) after over that before, with the ends of its interval; None where there is none.
    """

    time: str
    cell: str
    metric: str
    before: str
    after: str
    runs: tuple[str, ...]
    pairs: int
    verdict: str
    because: str
    ratio: float | None
    low: float | None
    high: float | None


_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("time", "cell", "metric", "before", "after", "verdict", "because"), (str,)),
    "runs": (list,),
    "pairs": (int,),
    **dict.fromkeys(("ratio", "low", "high"), (float, type(None))),
}


def append(root: Path, machine: str, one: Confirmation) -> Path:
    """Add a confirmation to the file of its machine, and return the file.

    Raises
    ------
    UserError : the file cannot be written.
    """
    path = root / FOLDER / f"{machine}.jsonl"
    line = json.dumps(dataclasses.asdict(one), allow_nan=False, separators=(",", ":")).encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if stream.seek(0, os.SEEK_END):
                stream.seek(-1, os.SEEK_END)
                # What a killed writer has left without its end must not take this line with it.
                line = line if stream.read(1) == b"\n" else b"\n" + line
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def read(root: Path, machine: str) -> list[Confirmation]:
    """Return the confirmations of a machine, the oldest first; lines that are none are passed over."""
    found = []
    with contextlib.suppress(OSError):
        for line in (root / FOLDER / f"{machine}.jsonl").read_bytes().splitlines():
            with contextlib.suppress(ValueError):
                values = json.loads(line)
                if isinstance(values, dict) and _fits(values):
                    found.append(Confirmation(**{**values, "runs": tuple(values["runs"])}))
    return found


def _fits(values: dict) -> bool:
    return values.keys() == _TYPES.keys() and all(type(values[name]) in types for name, types in _TYPES.items())
