"""Which logical CPUs make a physical core, its socket and its kind, read from /sys as far as the kernel tells."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

#: The logical CPUs of each physical core.
Cores = tuple[tuple[int, ...], ...]

#: Of a file of /proc or /sys. The longest, cpuinfo, has some 2 kB for each CPU.
_MOST_CHARACTERS = 2**24

#: Kinds of core of a hybrid CPU, in the order in which one is chosen.
PERFORMANCE, EFFICIENT = "performance", "efficient"

#: Intel names the kinds of its hybrid CPUs by their performance counters.
_COUNTERS = {PERFORMANCE: "cpu_core", EFFICIENT: "cpu_atom"}

#: Without such names: a core below this share of the largest capacity is of the lesser kind. Cores of one kind differ
#: by a few percent (favoured ones have a higher turbo), an E-core has about half of a P-core.
_CAPACITY_SHARE = 0.75


def cores(cpus: Path, online: Iterable[int], processors: Sequence[Mapping[str, str]]) -> Cores:
    """Return the logical CPUs of each physical core; without a topology in /sys, as /proc/cpuinfo groups them.

    Parameters
    ----------
    cpus : the folder ``sys/devices/system/cpu``.
    processors : the blocks of /proc/cpuinfo, by field.
    """
    found: set[tuple[int, ...]] = set()
    for cpu in online:
        siblings = cpu_list(read(cpus / f"cpu{cpu}/topology/thread_siblings_list"))
        if not siblings:
            own = processors[cpu] if cpu < len(processors) else {}
            place = (own.get("physical id"), own.get("core id"))
            alike = [
                number
                for number, other in enumerate(processors)
                if (other.get("physical id"), other.get("core id")) == place
            ]
            siblings = (cpu,) if None in place else tuple(alike)
        found.add(siblings)
    return tuple(sorted(found))


def sockets(cpus: Path, there: Cores, processors: Sequence[Mapping[str, str]]) -> tuple[int, ...]:
    """Return the socket of each physical core, in their order; nothing where that of any is not told."""
    found = [_socket(cpus, core[0], processors) for core in there]
    told = tuple(int(text) for text in found if text is not None)
    return told if len(told) == len(found) else ()


def _socket(cpus: Path, cpu: int, processors: Sequence[Mapping[str, str]]) -> str | None:
    text = read(cpus / f"cpu{cpu}/topology/physical_package_id")
    if text is None and cpu < len(processors):
        text = processors[cpu].get("physical id")
    # Some virtual machines tell -1.
    return text if text is not None and text.isdigit() else None


def kinds(root: Path, cpus: Path, there: Cores) -> tuple[str, ...]:
    """Return the kind of each physical core of a hybrid CPU, in their order; nothing where all are alike."""
    lists = {kind: set(cpu_list(read(root / f"sys/devices/{name}/cpus"))) for kind, name in _COUNTERS.items()}
    if all(lists.values()):
        found = [PERFORMANCE if core[0] in lists[PERFORMANCE] else EFFICIENT for core in there]
    else:
        told = [read(cpus / f"cpu{core[0]}/cpu_capacity") for core in there]
        capacities = [int(text) if text is not None and text.isdigit() else 0 for text in told]
        least = _CAPACITY_SHARE * max(capacities, default=0)
        found = [PERFORMANCE if capacity >= least else EFFICIENT for capacity in capacities]
    return tuple(found) if len(set(found)) > 1 else ()


def cpu_list(text: str | None) -> tuple[int, ...]:
    """Return the numbers of a kernel CPU list: ``0-2,8`` is (0, 1, 2, 8)."""
    numbers: list[int] = []
    for part in filter(None, (text or "").strip().split(",")):
        low, _, high = part.partition("-")
        numbers.extend(range(int(low), int(high or low) + 1))
    return tuple(numbers)


def ranges(numbers: Sequence[int]) -> str:
    """Return the shortest kernel-style list of sorted numbers: (0, 1, 2, 8) is ``0-2,8``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{low}" if low == high else f"{low}-{high}" for low, high in runs)


def in_short(cpus: Sequence[int]) -> str:
    """Return sorted CPUs for a person: as a kernel's list, or by the first and the last where they come in steps."""
    steps = {late - early for early, late in itertools.pairwise(cpus)}
    if len(cpus) > 4 and len(steps) == 1 and steps != {1}:
        return f"{cpus[0]},{cpus[1]},...,{cpus[-1]}"
    return ranges(cpus)


def read(path: Path) -> str | None:
    """Return a file's stripped text; None where the kernel does not offer it, or not to this user.

    Nor is it offered by what is no regular file, or a longer one than the kernel writes: a described host is a folder
    that anybody may have made, and reading a pipe or a device may never end.
    """
    try:
        if not path.is_file():
            return None
        with path.open(encoding="utf-8", errors="replace") as stream:
            text = stream.read(_MOST_CHARACTERS + 1)
    except (OSError, ValueError):
        return None
    return text.strip() if len(text) <= _MOST_CHARACTERS else None
