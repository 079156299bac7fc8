"""Which invocations of a run were measured while the host was slow or busy with something else, by its records.

The rule is that of comparisons (:mod:`harness.stats.timings.disturbance`): the same records must not count in the one
and be left out in the other.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.config.schema import AXES
from harness.results.cells import configs
from harness.results.timings import cpu_ns
from harness.stats.timings.disturbance import Invocation, disturbed, foreign_share, is_majority

Record = Mapping[str, Any]

#: An invocation of a run: digest of its cell, and its block.
Place = tuple[str, int]


@dataclass(frozen=True)
class Watched:
    """What an `invocation` record tells of the host's state, without its samples.

    `ring` holds the orders of those timed interleaved with it. `partners_known` is False where there were some that the
    record does not name, such as the other variant of a comparison: what they used is then no sign of anything.
    """

    place: Place
    ring: tuple[int, ...] | None
    partners_known: bool
    cores: tuple[int, ...]
    before: Record
    after: Record
    cpu_ns: int
    gemm_ns: float


def watched(invocation: Record) -> Watched:
    """Return what an `invocation` record tells of the host's state."""
    ring = invocation.get("ring")
    before, after = (invocation["system"][when] for when in ("before", "after"))
    return Watched(
        place=(invocation["cell_digest"], invocation["block"]),
        ring=None if ring is None else tuple(ring),
        partners_known=ring is not None or not any("turns" in series for series in invocation["series"]),
        cores=tuple(invocation["cores"]),
        before=before,
        after=after,
        cpu_ns=cpu_ns(invocation),
        gemm_ns=float(statistics.median(invocation["control"]["gemm_ns"])),
    )


def foreign_shares(invocations: Iterable[Watched]) -> dict[Place, float | None]:
    """Return for each invocation of a run the share of its cores' time that went to others; None: it is not told.

    Those that were timed interleaved with it are no others, for it was stopped meanwhile.
    """
    every = list(invocations)
    used: dict[tuple[int, tuple[int, ...]], int] = defaultdict(int)
    for one in every:
        if one.ring is not None:
            used[one.place[1], one.ring] += one.cpu_ns
    found: dict[Place, float | None] = {}
    for one in every:
        partners_ns = 0 if one.ring is None else used[one.place[1], one.ring] - one.cpu_ns
        share = foreign_share(one.before, one.after, len(one.cores), partners_ns) if one.partners_known else None
        found[one.place] = share
    return found


def disturbed_places(invocations: Iterable[Watched], like: Mapping[str, Hashable]) -> set[Place]:
    """Return the invocations of a run that do not count, because the host was slow or busy with something else.

    Parameters
    ----------
    like : digest of a cell -> what its control depends on. Controls are held against those of cells with an equal
        value that ran on the same cores.
    """
    every = list(invocations)
    shares = foreign_shares(every)
    groups: dict[Hashable, list[Watched]] = defaultdict(list)
    for one in every:
        groups[like.get(one.place[0]), one.cores].append(one)
    found: set[Place] = set()
    for group in groups.values():
        told = [Invocation(0.0, gemm_ns=one.gemm_ns, foreign_share=shares[one.place]) for one in group]
        found |= {one.place for one, is_bad in zip(group, disturbed(told), strict=True) if is_bad}
    return found


def scenario_share(scenario: Record) -> float | None:
    """Return the largest share of its cores' time that others took from a process of a `scenario` record.

    None where the host does not tell.
    """
    processes = [(scenario["system"], scenario["cores"])] if scenario["system"] is not None else []
    processes += [(series["system"], series["cores"]) for one in scenario["layouts"] for series in one["series"]]
    shares = [foreign_share(system["before"], system["after"], len(cores)) for system, cores in processes]
    return max((share for share in shares if share is not None), default=None)


@dataclass(frozen=True)
class HostStates:
    """What the host did beside the invocations of a run: which of them do not count, and what others took of it."""

    disturbed: frozenset[Place] = frozenset()
    foreign_shares: Mapping[Place, float | None] = field(default_factory=dict)

    def counted(self, invocations: Iterable[Record]) -> list[Record]:
        """Return those of a cell's `invocation` records that count: none where most of them were disturbed."""
        every = list(invocations)
        kept = [one for one in every if (one["cell_digest"], one["block"]) not in self.disturbed]
        return [] if is_majority(len(every) - len(kept), len(every)) else kept


def of_run(header: Record, invocations: Sequence[Record]) -> HostStates:
    """Return :func:`disturbed_places` and :func:`foreign_shares` of a run's `invocation` records."""
    every = [watched(one) for one in invocations]
    host = list(AXES).index("host")
    like = {
        entry["digest"]: (configs(header, entry)["backend"]["environment"], entry["labels"][host])
        for entry in header["cells"]
    }
    return HostStates(frozenset(disturbed_places(every, like)), foreign_shares(every))
