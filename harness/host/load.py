"""What goes on on this host right now: its neighbours' load, as far as it disturbs a measurement."""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

#: A process that uses less than this share of one CPU does not disturb.
BUSY_SHARE = 0.05

#: So many of the busiest processes are named.
NAMED = 5


@dataclass(frozen=True)
class Neighbour:
    """Another process and how much of one CPU it used while it was watched (1.0: all of one)."""

    pid: int
    name: str
    cpu_share: float


@dataclass(frozen=True)
class Load:
    """The host's state over a short while. Shares are of the time watched; None is not readable here."""

    load_average: float | None  # of the last minute
    steal_share: float | None  # of the allowed CPUs' time, taken by the hypervisor while they were watched
    steal_share_since_boot: float | None
    busy: Mapping[int, float]  # logical CPU -> share of its time that was not idle
    neighbours: tuple[Neighbour, ...]  # the busiest first
    memory_available_bytes: int
    swap_used_bytes: int
    disk_free_bytes: int
    throttle_count: int | None  # thermal throttle events of all cores since boot


def observe(affinity: tuple[int, ...], folder: Path, root: Path = Path("/"), seconds: float = 0.5) -> Load:
    """Watch the host for `seconds` and return its load.

    Parameters
    ----------
    affinity : the logical CPUs that this process may use.
    folder : where caches are kept; the free space of its disk counts.
    """
    processes = [process for process in psutil.process_iter(["name"]) if process.pid != psutil.Process().pid]
    for process in processes:
        _cpu_share(process)
    before = ticks(root)
    time.sleep(seconds)
    after = ticks(root)
    shares = [(process, _cpu_share(process)) for process in processes]
    busiest = sorted((pair for pair in shares if pair[1] >= BUSY_SHARE), key=lambda pair: -pair[1])
    passed = {cpu: _difference(before[cpu], row) for cpu, row in after.items() if cpu in before}
    busy = {cpu: _share([row], _BUSY) for cpu, row in sorted(passed.items())}
    return Load(
        load_average=_load_average(root),
        steal_share=_share([passed[cpu] for cpu in affinity if cpu in passed], _STEAL),
        steal_share_since_boot=_share([after[cpu] for cpu in affinity if cpu in after], _STEAL),
        busy={cpu: share for cpu, share in busy.items() if share is not None},
        neighbours=tuple(Neighbour(p.pid, p.info["name"] or "?", round(share, 2)) for p, share in busiest[:NAMED]),
        memory_available_bytes=psutil.virtual_memory().available,
        swap_used_bytes=psutil.swap_memory().used,
        disk_free_bytes=shutil.disk_usage(_existing(folder)).free,
        throttle_count=throttle_count(root),
    )


def unwatched() -> Load:
    """Return what is known of a host that this is not: nothing that goes on there."""
    return Load(None, None, None, {}, (), sys.maxsize, 0, sys.maxsize, None)


# Columns of a cpu line of /proc/stat, proc_pid_stat(5): user nice system idle iowait irq softirq steal.
_COLUMNS = 8
_BUSY = (0, 1, 2, 5, 6, 7)
_STEAL = (7,)


def ticks(root: Path = Path("/")) -> dict[int, tuple[int, ...]]:
    """Return each logical CPU's ticks since boot: user, nice, system, idle, iowait, irq, softirq, steal."""
    try:
        text = (root / "proc/stat").read_text()
    except OSError:
        return {}
    rows = re.findall(r"^cpu(\d+) (.+)$", text, re.MULTILINE)
    return {int(cpu): tuple(int(word) for word in line.split()[:_COLUMNS]) for cpu, line in rows}


def throttle_count(root: Path = Path("/")) -> int | None:
    """Return how often cores were throttled by their heat since boot; None where no counter is offered."""
    counters = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/core_throttle_count")
    counts = [int(path.read_text()) for path in counters]
    return sum(counts) if counts else None


def _difference(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(late - early for early, late in zip(before, after, strict=True))


def _share(rows: Iterable[tuple[int, ...]], columns: tuple[int, ...]) -> float | None:
    """Return the share of `columns` in all ticks of `rows`; None when no tick has passed."""
    rows = list(rows)
    total = sum(sum(row) for row in rows)
    return sum(row[column] for row in rows for column in columns) / total if total else None


def _cpu_share(process: psutil.Process) -> float:
    """Return the share of one CPU used since the last call for this process; 0 for one that has gone."""
    try:
        return process.cpu_percent() / 100
    except psutil.Error:
        return 0.0


def _load_average(root: Path) -> float | None:
    try:
        return float((root / "proc/loadavg").read_text().split()[0])
    except OSError:
        return None


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
