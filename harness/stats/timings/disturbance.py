"""Whether something else was at work on the cores while an invocation was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Above this share of the pinned cores' time, taken by others, an invocation does not count. On quiet hosts it is
#: below two percent: the kernel's own work and the parent's.
BUSY_SHARE = 0.05

#: A control product that takes so many times what it takes in half of a comparison's invocations shows a slow host.
SLOW_CONTROL = 1.25

_AT_WORK = ("user_ticks", "nice_ticks", "system_ticks", "irq_ticks", "softirq_ticks")
_IDLE = ("idle_ticks", "iowait_ticks")


@dataclass(frozen=True)
class Invocation:
    """One invocation as a comparison sees it.

    `level_ns` is the median of its series, `gemm_ns` and `stream_ns` those of its control, `foreign_share` the share
    of its cores' time that went to others; None where the host does not tell. `turns_ns` are the medians of its turns,
    where others were timed interleaved with it, those of the same `ring`; in a comparison, the other one of its pair.
    """

    level_ns: float
    gemm_ns: float | None = None
    stream_ns: float | None = None
    foreign_share: float | None = None
    turns_ns: tuple[float, ...] | None = None
    ring: tuple[int, ...] | None = None


def foreign_share(
    before: Mapping[str, Any], after: Mapping[str, Any], cores: int, partner_cpu_ns: int = 0
) -> float | None:
    """Return the share of the pinned cores' time that went to other processes and to the hypervisor's other guests.

    The time that the cores were at work, less the process's own, plus what was stolen. Ticks are coarse, so one a core
    at each end is taken off.

    Parameters
    ----------
    before, after : the readings of an invocation record's `system`.
    cores : how many there are.
    partner_cpu_ns : what the other variant of a pair used meanwhile, which is no disturbance: its turns are not ours.

    Returns
    -------
    float : from 0 to 1; None where a counter is not there, or no tick has passed.
    """
    names = (*_AT_WORK, *_IDLE, "steal_ticks", "process_cpu_ns", "monotonic_ns")
    if any(reading.get(name) is None for reading in (before, after) for name in names):
        return None
    passed: dict[str, float] = {name: after[name] - before[name] for name in names}
    at_work = sum(passed[name] for name in _AT_WORK)
    ticks = at_work + sum(passed[name] for name in _IDLE) + passed["steal_ticks"]
    if ticks <= 0 or passed["monotonic_ns"] <= 0 or cores < 1:
        return None
    own = (passed["process_cpu_ns"] + partner_cpu_ns) / (passed["monotonic_ns"] * cores)
    others = at_work / ticks - own + passed["steal_ticks"] / ticks - 2 * cores / ticks
    return min(max(others, 0.0), 1.0)


def is_majority(disturbed: int, measured: int) -> bool:
    """Say whether so many of the invocations that were measured are disturbed that nothing is to be said of the rest.

    A host that was busy most of the time was hardly idle in between.
    """
    return 2 * disturbed > measured


def disturbed(invocations: Sequence[Invocation]) -> list[bool]:
    """Say for each invocation of one variant and one environment whether the host was slow or otherwise busy."""
    controls = [one.gemm_ns for one in invocations if one.gemm_ns is not None]
    limit = SLOW_CONTROL * float(np.median(controls)) if controls else np.inf
    return [(one.foreign_share or 0.0) > BUSY_SHARE or (one.gemm_ns or 0.0) > limit for one in invocations]
