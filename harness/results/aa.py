"""What A/A comparisons have shown on a host: one append-only file a host, one line an A/A.

::

    ROOT/aa/FINGERPRINT.jsonl
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.results import journal
from harness.results.records import identifiers

FOLDER = "aa"

#: Field of an entry -> the types that it may have; no other field occurs.
FIELDS: dict[str, tuple[type, ...]] = {
    "time": (str,),
    "host": (str,),
    "runs": (list,),
    "suite": (str,),
    "harness": (dict,),
    "environments": (dict,),
    "pairs": (int,),
    "left_out_pairs": (int,),
    "alpha": (float,),
    "margin": (float,),
    "comparisons": (int,),
    "false_alarms": (int,),
    "false_verdicts": (int,),
    "deviation_log": (float, type(None)),
    "smallest_change": (float, type(None)),
    "floor": (float, type(None)),
    "floors": (dict,),
    "drift": (float, type(None)),
    "cells": (list,),
}


#: A change of the host by such a factor is none that was measured.
_MOST = 1e3


def append(root: Path, entry: Mapping[str, Any]) -> Path:
    """Add one A/A to the file of its host, and return the file.

    Parameters
    ----------
    root : the folder of results.
    entry : the fields of :data:`FIELDS`; `results/README.md` says what each means.

    Raises
    ------
    ValueError : a field is missing, unknown or of another type.
    UserError : the file cannot be written.
    """
    if problem := _problem(entry):
        raise ValueError(f"A/A entry: {problem}")
    path = _file(root, entry["host"])
    journal.append(path, entry)
    return path


def read(root: Path, host: str) -> list[dict[str, Any]]:
    """Return the A/As of a host, the oldest first; lines that are none, such as a cut-off last one, are passed over."""
    return [entry for entry in journal.entries(_file(root, host)) if not _problem(entry)]


def latest(root: Path, host: str) -> dict[str, Any] | None:
    """Return a host's newest A/A that could tell a floor; None when there is none."""
    return next((entry for entry in reversed(read(root, host)) if entry["floor"] is not None), None)


def floor_of(root: Path, host_fingerprint: str, series: str) -> float | None:
    """Return the relative change below which a host's newest A/A lets nothing be told from noise; None without one.

    Of a series (latency, throughput), or of all where its own is not known. 0.012 means that a median which is 1.2 %
    longer or shorter may be nothing (see :mod:`harness.stats.decisions.floor`).
    """
    entry = latest(root, host_fingerprint)
    return None if entry is None else entry["floors"].get(series, entry["floor"])


def _file(root: Path, host: str) -> Path:
    return root / FOLDER / f"{identifiers.checked(host)}.jsonl"


def _problem(entry: Mapping[str, Any]) -> str | None:
    if different := sorted(FIELDS.keys() ^ entry.keys()):
        return f"field {different[0]} is {'missing' if different[0] in FIELDS else 'unknown'}"
    wrong = [name for name, types in FIELDS.items() if type(entry[name]) not in types]
    if not wrong:
        # What a comparison is judged by must be a figure: a share of the time.
        wrong = [name for name in ("floor", "drift") if entry[name] is not None and not 0 <= entry[name] < _MOST]
        wrong += ["floors"] * any(type(one) is not float or not 0 <= one < _MOST for one in entry["floors"].values())
    return f"field {wrong[0]} is {entry[wrong[0]]!r}" if wrong else None
