"""What measuring both variants of a trend's candidate again has shown: one append-only file a machine, a line each.

::

    ROOT/confirmations/MACHINE.jsonl
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.results import journal
from harness.results.records import identifiers

FOLDER = "confirmations"


@dataclass(frozen=True)
class Confirmation:
    """One candidate, measured again.

    `before` and `after` are the runs whose environments stood in the two variants, `runs` the new ones that hold the
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
    path = _file(root, machine)
    journal.append(path, dataclasses.asdict(one))
    return path


def read(root: Path, machine: str) -> list[Confirmation]:
    """Return the confirmations of a machine, the oldest first; lines that are none are passed over."""
    there = journal.entries(_file(root, machine))
    return [Confirmation(**{**values, "runs": tuple(values["runs"])}) for values in there if _fits(values)]


def _file(root: Path, machine: str) -> Path:
    return root / FOLDER / f"{identifiers.checked(machine)}.jsonl"


def _fits(values: dict[str, Any]) -> bool:
    if values.keys() != _TYPES.keys() or any(type(values[name]) not in types for name, types in _TYPES.items()):
        return False
    ends = (values[name] for name in ("ratio", "low", "high"))
    return all(type(run) is str for run in values["runs"]) and all(end is None or 0 < end < 1e9 for end in ends)
