"""Under which conditions rows were measured: threads, cores, how threads wait, pages, interleaved or alone.

Rows under different conditions are not comparable as they stand: on two cores of a Zen 5, INT8 in FX took 12 ms with
threads that sleep between ops and 4.8 ms with threads that spin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from harness.host.topology import in_short
from harness.publish.common.numbers import is_known
from harness.publish.common.recorded import Planned, Recorded
from harness.text.words import counted

Record = Mapping[str, Any]

#: As :data:`harness.publish.table.rows.COLUMNS`. `timed_with` is how many processes were timed interleaved, 1 for one
#: alone.
COLUMNS: dict[str, str] = {
    "threads": "Int64",
    "cores": "string",
    "wait_policy": "string",
    "huge_pages": "boolean",
    "timed_with": "string",
}

#: What a person calls the columns, in a sentence.
_WORDS = {"threads": "threads", "cores": "CPUs", "wait_policy": "OMP_WAIT_POLICY", "huge_pages": "huge pages"}


def columns(invocations: Sequence[Record], protocol: Record) -> dict[str, Any]:
    """Return what a row has of :data:`COLUMNS`; nothing where nothing was measured.

    A cell whose invocations differ in threads, in a run of before such were refused, has no number of them.
    """
    if not invocations:
        return {}
    threads = numbers(invocations)["threads"]
    cores = dict.fromkeys(in_short(sorted(one["cores"])) for one in invocations)
    beside = sorted({_timed_with(one) for one in invocations})
    return {
        "threads": threads[0] if len(threads) == 1 else None,
        "cores": " or ".join(cores),
        "wait_policy": protocol["omp_wait_policy"],
        "huge_pages": bool(protocol.get("huge_pages", False)),
        "timed_with": " or ".join(map(str, beside)),
    }


def numbers(invocations: Collection[Record]) -> dict[str, tuple[int, ...]]:
    """Return how many `threads` and `cores` invocations had: one number of each, or several in a mixed cell."""
    return {
        "threads": tuple(sorted({one["threads"] for one in invocations})),
        "cores": tuple(sorted({len(one["cores"]) for one in invocations})),
    }


def mixed(invocations: Iterable[Record]) -> list[str]:
    """Return a note on a cell whose invocations did not all have the same cores; none where they had."""
    found = dict.fromkeys(
        f"{counted(one['threads'], 'thread')} on CPU {in_short(sorted(one['cores']))}" for one in invocations
    )
    return [f"its figures are mixed of {' and '.join(found)}"] if len(found) > 1 else []


def line(run: Recorded, cells: Iterable[Planned]) -> str:
    """Return one line on the conditions of a run, each combination once; nothing where nothing was measured."""
    found: dict[str, set[int]] = {}
    for cell in cells:
        invocations = [*run.invocations[cell.digest].values()]
        row = columns(invocations, cell.configs["protocol"])
        if row:
            # Groups of a run are of several sizes, which are no other conditions of its cells.
            found.setdefault(_in_words(row), set()).update(map(_timed_with, invocations))
    return "; or ".join(f"{words}, {_beside(sizes)}" for words, sizes in found.items())


def differences(one: Sequence[Record], other: Sequence[Record]) -> Iterator[str]:
    """Yield what differs between the conditions of the cells that two runs have in common.

    Parameters
    ----------
    one, other : for each cell in common its :func:`columns` in the one run, and in the other.
    """
    for name, word in _WORDS.items():
        pairs = [(a[name], b[name]) for a, b in zip(one, other, strict=True) if name in a and name in b]
        changed = Counter(f"{shown(a)} -> {shown(b)}" for a, b in pairs if a != b)
        if changed:
            each = ", ".join(f"{change} ({count} of {counted(len(one), 'cell')})" for change, count in changed.items())
            yield f"conditions: {word} {each}; the variants' times differ by that too"


def shown(value: Any) -> str:
    """Return a value of :data:`COLUMNS` as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return {None: "several", "default": "runtime default"}.get(value, str(value))


def _in_words(row: Record) -> str:
    threads = counted(int(row["threads"]), "thread") if is_known(row["threads"]) else "several numbers of threads"
    waits = {
        "PASSIVE": "that sleep while they wait (OMP_WAIT_POLICY=PASSIVE)",
        "ACTIVE": "that spin while they wait (OMP_WAIT_POLICY=ACTIVE)",
    }.get(row["wait_policy"], "that wait as the runtime does by default (no OMP_WAIT_POLICY)")
    pages = "huge pages" if row["huge_pages"] else "small pages"
    return f"{threads} on CPU {row['cores']} {waits}, {pages}"


def _beside(sizes: Collection[int]) -> str:
    alone = ["timed alone"] if 1 in sizes else []
    groups = [str(size) for size in sorted(sizes) if size > 1]
    return " or ".join([*alone, *([f"timed interleaved in groups of {' or '.join(groups)}"] if groups else [])])


def _timed_with(invocation: Record) -> int:
    """Return how many processes were timed interleaved with one; a comparison's variants name none, and are two."""
    ring = invocation.get("ring")
    if ring is not None:
        return len(ring)
    return 2 if any("turns" in series for series in invocation["series"]) else 1
