"""Where the cells of a run may run: written into its header, for a run goes on only where it was begun.

With another number of cores a stage's key differs too: the checkpoint would be trained again, and a row's figures would
be those of two artefacts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.config.schema import AXES
from harness.host.describe import Host
from harness.host.placement import placed
from harness.host.topology import ranges
from harness.plan.matrix import Plan
from harness.text.words import counted

_HOST = list(AXES).index("host")


def limits(host: Host) -> dict[str, Any]:
    """Return what of a host this process may use: logical CPUs, and what its control group allows (None: all)."""
    return {
        "affinity": list(host.affinity),
        "cgroup_cpus": host.cgroup_cpus,
        "cgroup_memory_bytes": host.cgroup_memory_bytes,
    }


def placements(plan: Plan, host: Host) -> dict[str, list[int]]:
    """Return label of a host option -> the logical CPUs of its cells, a thread on each."""
    found = {cell.labels[_HOST]: placed(cell.host, host) for cell in plan.cells}
    return {label: list(place.cores) for label, place in found.items() if place is not None}


def why_not(begun: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Return why a run does not go on, in the words behind "was begun"; None where its cores are those of now.

    Parameters
    ----------
    begun, now : the header of the interrupted run, and that of a new one of the same plan.
    """
    there, here = begun.get("placements"), now.get("placements")
    if there == here:
        return None
    if there is None or here is None:
        return "before runs told their cores"
    for label, cores in here.items():
        if there.get(label) != cores:
            return f"with {_words(there.get(label) or [])}, and this process has {_words(cores)} (host={label})"
    return "with other cores"


def _words(cores: list[int]) -> str:
    return f"{counted(len(cores), 'thread')} on CPU {ranges(sorted(cores))}" if cores else "no cores"
