"""Energy, instructions and cycles of what is timed, by the kernel's own counters where it offers and allows them.

Energy is that of the CPU packages (Intel's and AMD's RAPL by ``/sys/class/powercap``, which is root's alone since Linux
5.10): of everything that they do meanwhile, not of this process. Instructions, cycles and last-level cache misses are
those of this process and its threads in user mode, by perf_event_open(2). No package is needed, which each backend's
environment would have to pin. What a host does not tell is None, never zero.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

#: perf_event_open(2) on x86-64; the first published size of its attributes (PERF_ATTR_SIZE_VER0).
_PERF_EVENT_OPEN, _ATTRIBUTE_BYTES = 298, 64

#: PERF_TYPE_HARDWARE with PERF_COUNT_HW_*.
EVENTS = {"cycles": (0, 0), "instructions": (0, 1), "cache_misses": (0, 3)}

#: Bits of the attributes: count threads that are begun later, and nothing of kernel and hypervisor, which an ordinary
#: user may not (kernel.perf_event_paranoid of 2).
_INHERIT, _EXCLUDE_KERNEL, _EXCLUDE_HYPERVISOR = 1 << 1, 1 << 5, 1 << 6

#: With each value come the times that the event was enabled and really counted: a CPU has few counters.
_READ_FORMAT, _READ_BYTES = 1 | 2, 24

#: Opens an event of a type and config for this process; a descriptor, or None where the kernel refuses.
Opener = Callable[[int, int], int | None]


def open_event(kind: int, config: int) -> int | None:
    """Return the descriptor of a counter of this process and the threads that it begins from now on; None: refused."""
    flags = _INHERIT | _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR
    attributes = struct.pack("=IIQQQQQIIQ", kind, _ATTRIBUTE_BYTES, config, 0, 0, _READ_FORMAT, flags, 0, 0, 0)
    buffer = ctypes.create_string_buffer(attributes, _ATTRIBUTE_BYTES)
    libc = ctypes.CDLL(None, use_errno=True)
    found = libc.syscall(_PERF_EVENT_OPEN, buffer, 0, -1, -1, ctypes.c_ulong(8))  # PERF_FLAG_FD_CLOEXEC
    return None if found < 0 else found


class Counters:
    """The counters of this process, to be opened before the threads that they are to count are begun.

    Parameters
    ----------
    cores : logical CPUs that this process is pinned to; the energy is that of their packages.
    root : where ``sys`` stands.
    opener : opens an event.
    """

    def __init__(self, cores: Sequence[int], root: Path = Path("/"), opener: Opener = open_event):
        self._events = {name: opener(*which) for name, which in EVENTS.items()}
        self._zones = _zones(cores, root)

    def __enter__(self) -> Counters:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in filter(None, self._events.values()):
            os.close(descriptor)

    @contextlib.contextmanager
    def counting(self, total: dict[str, int | None]) -> Iterator[None]:
        """Add to `total` what is counted while the body runs; what is not told once is None for good."""
        before = self._read()
        yield
        after = self._read()
        for name, early in before.items():
            late, sum_ = after[name], total.get(name, 0)
            if early is None or late is None or sum_ is None:
                total[name] = None
            else:
                total[name] = sum_ + self._passed(name, early, late)

    def _read(self) -> dict[str, int | None]:
        return {"energy_uj": self._energy_uj(), **{name: _value(one) for name, one in self._events.items()}}

    def _energy_uj(self) -> int | None:
        told = [_number(zone / "energy_uj") for zone in self._zones]
        readings = [reading for reading in told if reading is not None]
        return sum(readings) if readings and len(readings) == len(told) else None

    def _passed(self, name: str, early: int, late: int) -> int:
        if late >= early or name != "energy_uj":
            return late - early
        # A package's counter begins again at its range; no body lasts for two of them.
        return late - early + max(_number(zone / "max_energy_range_uj") or 0 for zone in self._zones)


def _zones(cores: Sequence[int], root: Path) -> list[Path]:
    """Return the powercap zones of the packages of some CPUs; none where one of them has none."""
    places = (root / f"sys/devices/system/cpu/cpu{core}/topology/physical_package_id" for core in cores)
    packages = {_number(place) for place in places}
    zones: dict[int | None, Path] = {}
    for name in (root / "sys/class/powercap").glob("intel-rapl:*/name"):
        with contextlib.suppress(OSError):
            kind, _, number = name.read_text().strip().partition("-")
            if kind == "package" and number.isdigit():
                zones[int(number)] = name.parent
    return [zones[package] for package in packages] if packages and packages <= zones.keys() else []


def _value(descriptor: int | None) -> int | None:
    """Return what an event has counted, brought up to the whole time where it shared its counter with others."""
    if descriptor is None:
        return None
    try:
        value, enabled, running = struct.unpack("=QQQ", os.read(descriptor, _READ_BYTES))
    except (OSError, struct.error):
        return None
    return round(value * enabled / running) if running else None


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
