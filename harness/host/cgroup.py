"""The limits that control groups put on this process: CPU quota and memory, versions 1 and 2.

A limit holds for a group and all below it, so the least one between this process's group and the root counts. The files
are those of the kernel's documents ``admin-guide/cgroup-v2.rst`` and ``admin-guide/cgroup-v1/``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from harness.host.topology import read as _read

#: Version 1 writes "no limit" as the largest number of whole pages; no host has an exbibyte.
_NO_LIMIT_BYTES = 2**60

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True)
class Limits:
    """`cpus` is the quota in CPUs (1.5 is one and a half), `memory_bytes` the memory limit; None is no limit."""

    cpus: float | None
    memory_bytes: int | None


def limits(root: Path = Path("/")) -> Limits:
    """Return the limits of this process's control groups, read below `root`."""
    cpus: list[float] = []
    memory: list[int] = []
    for controllers, group in _groups(root):
        for folder in _folders(root, controllers, group):
            if not controllers:
                _add(cpus, _quota_2(folder))
                _add(memory, _bytes(folder / "memory.max"))
            if "cpu" in controllers:
                _add(cpus, _quota_1(folder))
            if "memory" in controllers:
                _add(memory, _bytes(folder / "memory.limit_in_bytes"))
    return Limits(min(cpus, default=None), min(memory, default=None))


def _groups(root: Path) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield controllers (none for version 2) and group of each line of /proc/self/cgroup."""
    text = _read(root / "proc/self/cgroup") or ""
    for line in text.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            yield tuple(name for name in parts[1].split(",") if name), parts[2]


def _folders(root: Path, controllers: tuple[str, ...], group: str) -> Iterator[Path]:
    """Yield the group's folder and those above it, where they are mounted by convention.

    A container sees its own group as the root of the mount while its name is still that of the host, so folders that
    are not there are passed over.
    """
    mounts = root / "sys/fs/cgroup"
    places = [mounts, mounts / "unified"] if not controllers else [mounts / ",".join(controllers)]
    places += [mounts / name for name in controllers]
    for place in places:
        path = PurePosixPath(group)
        for name in (path, *path.parents):
            folder = place / str(name).lstrip("/")
            if ".." not in name.parts and folder.is_dir():
                yield folder


def _quota_2(folder: Path) -> float | None:
    words = (_read(folder / "cpu.max") or "").split()
    if len(words) != 2 or words[0] == "max":
        return None
    return int(words[0]) / int(words[1])


def _quota_1(folder: Path) -> float | None:
    quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    if quota is None or period is None or int(quota) <= 0:
        return None
    return int(quota) / int(period)


def _bytes(path: Path) -> int | None:
    text = (_read(path) or "").strip()
    if not text.isdigit() or int(text) >= _NO_LIMIT_BYTES:
        return None
    return int(text)


def _add(values: list[_Number], value: _Number | None) -> None:
    if value is not None:
        values.append(value)
