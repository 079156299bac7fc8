"""Writes the parts of /proc and /sys that a host is read from, for hosts that the tests do not run on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

ICE_LAKE = {
    "vendor_id": "GenuineIntel",
    "cpu family": "6",
    "model": "106",
    "model name": "Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz",
    "stepping": "6",
    "microcode": "0xd0003b9",
    "flags": "fpu avx2 avx512f avx512_vnni",
}


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Write `files` (path below `root` -> text) and return `root`."""
    for folder in {str(Path(name).parent) for name in files}:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / name).write_text(text)
    return root


def two_sockets(root: Path, cpu: Mapping[str, str] = ICE_LAKE) -> Path:
    """Write a host of two sockets with two cores each and SMT: CPU n and n + 4 share a core, a socket is a node."""
    files = {
        "proc/cpuinfo": "\n\n".join(
            "\n".join(f"{name}\t: {value}" for name, value in {"processor": str(number), **cpu}.items())
            for number in range(8)
        ),
        "proc/meminfo": "MemTotal:       65536 kB\nMemFree: 1 kB\n",
        "proc/self/status": "Name:\tx\nCpus_allowed_list:\t0-7\n",
        "proc/sys/kernel/osrelease": "6.1.0\n",
        "sys/devices/system/cpu/online": "0-7\n",
        "sys/devices/system/cpu/intel_pstate/no_turbo": "0\n",
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    }
    for number in range(8):
        own, socket = f"sys/devices/system/cpu/cpu{number}", (number % 4) // 2
        files |= {
            f"{own}/topology/thread_siblings_list": f"{number % 4},{number % 4 + 4}\n",
            f"{own}/topology/physical_package_id": f"{socket}\n",
            f"{own}/cpufreq/scaling_governor": "powersave\n",
            f"{own}/cpufreq/scaling_driver": "intel_pstate\n",
            f"{own}/cache/index0/level": "1\n",
            f"{own}/cache/index0/type": "Data\n",
            f"{own}/cache/index0/size": "48K\n",
            f"{own}/cache/index0/shared_cpu_list": f"{number % 4},{number % 4 + 4}\n",
            f"{own}/cache/index3/level": "3\n",
            f"{own}/cache/index3/type": "Unified\n",
            f"{own}/cache/index3/size": "60M\n",
            f"{own}/cache/index3/shared_cpu_list": f"{2 * socket}-{2 * socket + 1},{2 * socket + 4}-{2 * socket + 5}\n",
        }
    for node in range(2):
        folder = f"sys/devices/system/node/node{node}"
        files[f"{folder}/cpulist"] = f"{2 * node}-{2 * node + 1},{2 * node + 4}-{2 * node + 5}\n"
        files[f"{folder}/meminfo"] = f"Node {node} MemTotal:   32768 kB\n"
    return write(root, files)
