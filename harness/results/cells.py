"""The cells of a run's header, found by their keys or by some of their labels, and what records hold of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.config.cell import find_baseline
from harness.config.schema import AXES
from harness.errors import UserError, nearest

Entry = Mapping[str, Any]

#: Cells with equal labels on these axes are compared with each other; the other axes are what is compared.
GROUP = ("model", "task", "host", "protocol")


def meant(entries: Iterable[Entry], wanted: str) -> list[Entry]:
    """Return the cells whose key is `wanted`, else those that have its words, joined by ``/``, among their labels."""
    entries = list(entries)
    exact = [entry for entry in entries if entry["key"] == wanted]
    return exact or [entry for entry in entries if within(wanted.split("/"), entry["labels"])]


def the_one(header: Entry, wanted: str) -> Entry:
    """Return the one cell of a run that `wanted` names, by its key or by enough of its labels.

    Raises
    ------
    UserError : none, or more than one, is meant.
    """
    found = some(header, wanted)
    if len(found) > 1:
        first, second = (entry["key"] for entry in found[:2])
        raise UserError(f"cell {wanted}: {len(found)} cells are so called, e.g. {first} and {second}; say more")
    return found[0]


def some(header: Entry, wanted: str) -> list[Entry]:
    """Return the cells of a run that `wanted` names, at least one.

    Raises
    ------
    UserError : none is meant.
    """
    found = meant(header["cells"], wanted)
    if not found:
        keys = [entry["key"] for entry in header["cells"]]
        raise UserError(f"run {header['run']}: no cell '{wanted}'{nearest(wanted, keys)}")
    return found


def configs(header: Entry, entry: Entry) -> dict[str, dict[str, Any]]:
    """Return a cell's config on each axis, as the run has stored it."""
    options = {option["digest"]: option for option in header["options"]}
    return {options[digest]["axis"]: options[digest]["config"] for digest in entry["options"]}


def baseline(header: Entry, entry: Entry) -> Entry | None:
    """Return the other cell that a cell is compared with: of its model, task, host and protocol, as the suite names it.

    None where the suite names none, more than one is meant, or it is the cell itself.
    """
    group = [one for one in header["cells"] if all(_label(one, axis) == _label(entry, axis) for axis in GROUP)]
    found = find_baseline(
        group, header["baseline"], lambda one, axis: (_label(one, axis), configs(header, one)[axis]["name"])
    )
    return None if found is None or found["digest"] == entry["digest"] else found


def series(invocation: Entry, role: str) -> Entry | None:
    """Return the series of an `invocation` record that has a role, latency or throughput; None where it has none."""
    return next((one for one in invocation["series"] if one["role"] == role and one["latency_ns"]), None)


def within(words: Sequence[str], labels: Sequence[str]) -> bool:
    """Say whether `words` are among `labels`, in that order."""
    rest = iter(labels)
    return all(word in rest for word in words)


def _label(entry: Entry, axis: str) -> str:
    label: str = entry["labels"][list(AXES).index(axis)]
    return label
