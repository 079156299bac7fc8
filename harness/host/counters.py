"""What the system says about itself before and after the series: two readings whose difference shows disturbance."""

from __future__ import annotations

import re
import resource
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

#: One reading: counters since boot or since the process began, and levels; None is not readable here.
Reading = dict[str, "int | float | list[int | None] | list[float] | None"]

#: Columns of a cpu line of /proc/stat, by proc_pid_stat(5), in ticks (1/100 s almost everywhere).
_TICKS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")

#: Sensors of the CPU package in /sys/class/hwmon, by driver.
_CPU_SENSORS = ("coretemp", "k10temp", "zenpower")


def snapshot(cores: Sequence[int], root: Path = Path("/")) -> Reading:
    """Return one reading for a process that is pinned to `cores`.

    Returns
    -------
    dict : monotonic_ns; load_average (1, 5, 15 minutes); ``*_ticks`` of the pinned cores; voluntary_switches,
        involuntary_switches, minor_faults, major_faults and process_cpu_ns of this process with all its threads;
        frequency_khz (one a core); temperature_celsius (the hottest sensor of the CPU); huge_pages_bytes (of this
        process's memory, those on huge pages); throttle_count of the cores.
    """
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "monotonic_ns": time.monotonic_ns(),
        "load_average": _load_average(root),
        **_core_ticks(cores, root),
        "voluntary_switches": usage.ru_nvcsw,
        "involuntary_switches": usage.ru_nivcsw,
        "minor_faults": usage.ru_minflt,
        "major_faults": usage.ru_majflt,
        "process_cpu_ns": time.process_time_ns(),
        "frequency_khz": _frequencies(cores, root),
        "temperature_celsius": _temperature(root),
        "huge_pages_bytes": _huge_pages_bytes(root),
        "throttle_count": _sum(
            _number(root / f"sys/devices/system/cpu/cpu{core}/thermal_throttle/core_throttle_count") for core in cores
        ),
    }


def resident_bytes(root: Path = Path("/")) -> int:
    """Return the memory of this process that is in RAM now."""
    pages = (root / "proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


def last_level_cache_bytes(root: Path = Path("/")) -> int | None:
    """Return the size of the largest cache that CPU 0 sees; None where the kernel does not say."""
    sizes = (_text(path) for path in (root / "sys/devices/system/cpu/cpu0/cache").glob("index*/size"))
    found = [re.fullmatch(r"(\d+)([KMG]?)", size) for size in sizes if size is not None]
    units = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
    return max((int(size[1]) * units[size[2]] for size in found if size is not None), default=None)


def _load_average(root: Path) -> list[float] | None:
    text = _text(root / "proc/loadavg")
    return None if text is None else [float(word) for word in text.split()[:3]]


def _core_ticks(cores: Sequence[int], root: Path) -> dict[str, int | None]:
    lines = re.findall(r"^cpu(\d+) (.+)$", _text(root / "proc/stat") or "", re.MULTILINE)
    rows = [[int(word) for word in line.split()] for cpu, line in lines if int(cpu) in cores]
    return {f"{name}_ticks": _sum(row[at] for row in rows) for at, name in enumerate(_TICKS)}


def _frequencies(cores: Sequence[int], root: Path) -> list[int | None]:
    """Return each core's frequency: that of its cpufreq driver, else the one /proc/cpuinfo shows."""
    scaling = [_number(root / f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq") for core in cores]
    if None not in scaling:
        return scaling
    text = _text(root / "proc/cpuinfo") or ""
    shown = dict(re.findall(r"^processor\s*: (\d+)$.*?^cpu MHz\s*: ([\d.]+)$", text, re.MULTILINE | re.DOTALL))
    megahertz = [shown.get(str(core)) for core in cores]
    return [None if value is None else round(float(value) * 1000) for value in megahertz]


def _temperature(root: Path) -> float | None:
    """Return the hottest sensor of the CPU, in degrees Celsius."""
    folders = [path.parent for path in (root / "sys/class/hwmon").glob("*/name") if _text(path) in _CPU_SENSORS]
    readings = [_number(path) for folder in folders for path in folder.glob("temp*_input")]
    return max((reading / 1000 for reading in readings if reading is not None), default=None)


def _huge_pages_bytes(root: Path) -> int | None:
    found = re.search(r"^AnonHugePages:\s+(\d+) kB$", _text(root / "proc/self/smaps_rollup") or "", re.MULTILINE)
    return None if found is None else int(found[1]) * 1024


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text is not None and text.lstrip("-").isdigit() else None


def _text(path: Path) -> str | None:
    # A sensor that is there but does not answer raises EIO or ENODATA when it is read.
    try:
        return path.read_text().strip()
    except OSError:
        return None
