"""Where the conditions of both variants of a comparison differ, and where that makes their figures incomparable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.config.schema import AXES, ProtocolConfig
from harness.publish.common import conditions
from harness.publish.common.flatten import flatten
from harness.publish.compare.records import Cell, Run
from harness.results import cells

#: Column of :data:`harness.publish.common.conditions.COLUMNS` that changes what is timed, wherever -> its words.
_ANYWHERE = {"wait_policy": "wait policy", "huge_pages": "huge pages"}

_PROTOCOL = list(AXES).index("protocol")


def facts(cell: Cell, run: Run, variant: int) -> dict[str, Any]:
    """Return the columns of :mod:`harness.publish.common.conditions` of a cell in one variant, 0 or 1."""
    return conditions.columns(_invocations(cell, run, variant), cell.both[variant]["protocol"])


def obstacle(cell: Cell, runs: Sequence[Run], role: str, mode: str) -> str:
    """Return why the timings of a cell's two variants mean different things; nothing where they can be compared.

    Two hosts have threads and cores of their own: there they are said, not refused. What a variant was not timed at is
    missing, not different.
    """
    one, other = (_what_is_timed(cell, run, variant, role, mode) for variant, run in enumerate(runs))
    if not (one and other):
        return ""
    if mode != "interleaved":
        one, other = (
            found | {"baseline": _baseline(run, digest)}
            for found, run, digest in zip((one, other), runs, cell.digests, strict=True)
        )
    differing = [f"{name} {value} in A and {other[name]} in B" for name, value in one.items() if value != other[name]]
    return f"not comparable: {', '.join(differing)}" if differing else ""


def protocols(compared: Sequence[Cell], runs: Sequence[Run]) -> Iterator[str]:
    """Yield a line for each pair of protocols that cells are compared across, with the fields that differ."""
    found: dict[tuple[str, str], list[str]] = {}
    for cell in compared:
        labels = [_entry(run, digest)["labels"][_PROTOCOL] for run, digest in zip(runs, cell.digests, strict=True)]
        if labels[0] != labels[1]:
            one, other = (flatten(configs["protocol"]) for configs in cell.both)
            names = sorted(name for name in {*one, *other} - {"name"} if one.get(name) != other.get(name))
            found[labels[0], labels[1]] = [f"{name} {one.get(name)} -> {other.get(name)}" for name in names]
    for (first, second), fields in found.items():
        yield f"protocol: {first} -> {second}: {', '.join(fields) or 'no field differs'}"


def _what_is_timed(cell: Cell, run: Run, variant: int, role: str, mode: str) -> dict[str, str]:
    """Return what the timings of a variant depend on, in words; nothing where it has none."""
    lines, protocol = _invocations(cell, run, variant), cell.both[variant]["protocol"]
    timed = [series for line in lines if (series := cells.series(line, role)) is not None]
    if not timed:
        return {}
    row = facts(cell, run, variant)
    found = {words: conditions.shown(row[name]) for name, words in _ANYWHERE.items()}
    # A record that is older than a field was made under what is now its default.
    found["lengths"] = protocol.get("lengths", ProtocolConfig.lengths)
    found[f"{role} batch"] = str(protocol[f"{role}_batch_size"])
    if mode != "hosts":
        found |= {name: _joined(values) for name, values in conditions.numbers(lines).items()}
    found["tokens"] = _joined(sorted({series["sequence_length"] or 0 for series in timed}))
    return found


def _baseline(run: Run, digest: str) -> str:
    """Return the labels of the cell that one is compared with, but the protocol's."""
    found = cells.baseline(run.header, _entry(run, digest))
    return "itself" if found is None else "/".join(found["labels"][:_PROTOCOL])


def _entry(run: Run, digest: str) -> Mapping[str, Any]:
    return next(one for one in run.header["cells"] if one["digest"] == digest)


def _invocations(cell: Cell, run: Run, variant: int) -> list[Mapping[str, Any]]:
    return [*run.invocations[cell.digests[variant]].values()]


def _joined(values: Sequence[int]) -> str:
    return " or ".join(map(str, values))
