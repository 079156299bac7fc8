"""Under which conditions the sides of a comparison were timed, and where these make their figures incomparable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.plan.config import AXES, ProtocolConfig
from harness.publish.compare_records import Cell, Run
from harness.publish.leaves import leaves
from harness.results import cells

#: Field of the protocol that changes what is timed -> its words. How often and how long it is timed changes nothing.
_FIELDS = {
    "omp_wait_policy": "wait policy",
    "lengths": "lengths",
    "huge_pages": "huge pages",
}

#: How the reason begins of a verdict that two sides' conditions do not allow.
INCOMPARABLE = "not comparable"

_BATCHES = {"latency": "latency_batch_size", "throughput": "throughput_batch_size"}
_PROTOCOL = list(AXES).index("protocol")


def obstacle(cell: Cell, runs: Sequence[Run], role: str, mode: str) -> str:
    """Return why the timings of a cell's two sides mean different things, nothing where they can be compared.

    Two hosts have threads and cores of their own: there they are said, not refused.
    """
    sides = [
        _conditions(run, digest, configs["protocol"], role, mode)
        for run, digest, configs in zip(runs, cell.digests, (cell.configs, cell.other_configs), strict=True)
    ]
    differing = [
        f"{name} {_words(one)} in A and {_words(sides[1][name])} in B"
        for name, one in sides[0].items()
        # What one side has not been timed at is missing, not different.
        if one is not None and sides[1][name] is not None and one != sides[1][name]
    ]
    names = [_baseline_name(run, digest) for run, digest in zip(runs, cell.digests, strict=True)]
    if mode != "interleaved" and names[0] != names[1]:
        differing.append(f"baseline {names[0] or 'none'} in A and {names[1] or 'none'} in B")
    return f"{INCOMPARABLE}: {', '.join(differing)}" if differing else ""


def said(compared: Sequence[Cell], runs: Sequence[Run]) -> Iterator[str]:
    """Yield a line for each pair of protocols that cells are compared across, and each change of threads or cores."""
    protocols: dict[tuple[str, str], list[str]] = {}
    places: dict[str, int] = {}
    for cell in compared:
        labels = [
            next(entry["labels"][_PROTOCOL] for entry in run.header["cells"] if entry["digest"] == digest)
            for run, digest in zip(runs, cell.digests, strict=True)
        ]
        if labels[0] != labels[1]:
            one, other = (leaves(configs["protocol"]) for configs in (cell.configs, cell.other_configs))
            names = sorted(name for name in {*one, *other} - {"name"} if one.get(name) != other.get(name))
            protocols[labels[0], labels[1]] = [f"{name} {one.get(name)} -> {other.get(name)}" for name in names]
        for name in ("threads", "cores"):
            pair = [_placed(run, digest)[name] for run, digest in zip(runs, cell.digests, strict=True)]
            if None not in pair and pair[0] != pair[1]:
                line = f"{name}: {_words(pair[0])} -> {_words(pair[1])}"
                places[line] = places.get(line, 0) + 1
    for (one, other), fields in protocols.items():
        yield f"protocol: {one} -> {other}: {', '.join(fields) or 'no field differs'}"
    for line, count in places.items():
        yield f"{line} ({count} of {len(compared)} cells)"


def _conditions(
    run: Run, digest: str, protocol: Mapping[str, Any], role: str, mode: str
) -> dict[str, tuple[Any, ...] | None]:
    """Return condition -> its values, all of a side's invocations together; None where nothing tells them."""
    # A record that is older than a field was made under what is now its default.
    default = ProtocolConfig()
    found: dict[str, tuple[Any, ...] | None] = {
        words: (protocol.get(name, getattr(default, name)),) for name, words in _FIELDS.items()
    }
    found[f"{role} batch"] = (protocol[_BATCHES[role]],)
    if mode != "hosts":
        found |= _placed(run, digest)
    timed = [series for line in run.invocations[digest].values() if (series := cells.series(line, role))]
    found["tokens"] = tuple(sorted({series["sequence_length"] or 0 for series in timed})) or None
    return found


def _placed(run: Run, digest: str) -> dict[str, tuple[int, ...] | None]:
    lines = run.invocations[digest].values()
    return {
        "threads": tuple(sorted({line["threads"] for line in lines})) or None,
        "cores": tuple(sorted({len(line["cores"]) for line in lines})) or None,
    }


def _baseline_name(run: Run, digest: str) -> str:
    """Return the labels of a cell's baseline but the protocol's; its own where it is the baseline itself."""
    entry = next(one for one in run.header["cells"] if one["digest"] == digest)
    found = cells.baseline(run.header, entry)
    return "" if found is None else "/".join(found["labels"][:_PROTOCOL])


def _words(values: Sequence[Any] | None) -> str:
    return " or ".join(str(value) for value in values or ("unknown",))
