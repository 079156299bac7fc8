"""What a run might use of its host: a control group's quota and allowed CPUs are not the host's cores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.text.words import counted

Record = Mapping[str, Any]

#: Fields of a host's description that are not the host's but those of the process that first described it.
FIELDS = ("affinity", "cgroup_cpus", "cgroup_memory_bytes")

_WORDS = {"affinity": "allowed CPUs", "cgroup_cpus": "CPUs of the control group", "cgroup_memory_bytes": "its memory"}


def cores(host: Record, limits: Record | None) -> str:
    """Return how many cores a host has and, where a run told its limits, what of them it might use.

    ``2 cores``; ``64 cores, of which 8 of 128 logical CPUs were allowed``; ``64 cores, of which a control group allowed
    2 CPUs' time``.
    """
    text = counted(len(host["cores"]), "core")
    if limits is None:
        return text
    there = {cpu for core in host["cores"] for cpu in core}
    allowed = there.intersection(limits["affinity"])
    told = [f"{len(allowed)} of {len(there)} logical CPUs were allowed"] if allowed != there else []
    if limits["cgroup_cpus"] is not None:
        told.append(f"a control group allowed the time of {limits['cgroup_cpus']:g}")
    return f"{text}, of which {' and '.join(told)}" if told else text


def without(host: Record) -> dict[str, Any]:
    """Return a host's description without the limits, which are those of whoever described it first."""
    return {name: value for name, value in host.items() if name not in FIELDS}


def differences(one: Record | None, other: Record | None) -> Iterator[str]:
    """Yield what differs between the limits of two runs; nothing where either does not tell them."""
    if one is None or other is None:
        return
    for name, word in _WORDS.items():
        if one[name] != other[name]:
            yield f"limits: {word} {_shown(one[name])} -> {_shown(other[name])}"


def _shown(value: Any) -> str:
    if value is None:
        return "no limit"
    return ",".join(map(str, value)) if isinstance(value, list) else f"{value:g}"
