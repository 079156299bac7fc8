"""Which invocations of a cell were timed in a steady state, by all that is known of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from harness.stats.timings import drift


def of(invocations: Iterable[Mapping[str, Any]]) -> dict[str, list[bool]]:
    """Return role of a series -> whether it was steady, one value an `invocation` record.

    It was where its warm-up became flat, and where the timed series of the cell's invocations together show that there
    was neither a ramp nor a drift (:func:`harness.stats.timings.drift.is_excluded`), though a short warm-up could not.
    """
    timed: dict[str, list[list[int]]] = defaultdict(list)
    flat: dict[str, list[bool]] = defaultdict(list)
    for invocation in invocations:
        for series in invocation["series"]:
            flat[series["role"]].append(series["steady"])
            timed[series["role"]].append(_alike(series))
    return {role: [one or drift.is_excluded(timed[role]) for one in found] for role, found in flat.items()}


def _alike(series: Mapping[str, Any]) -> list[int]:
    """Return what should not differ from its begin to its end: of batches of unlike lengths, the time of each round."""
    latency_ns, batches = series["latency_ns"], len(series.get("tokens", ())) or 1
    return [sum(latency_ns[at : at + batches]) for at in range(0, len(latency_ns) - batches + 1, batches)]
