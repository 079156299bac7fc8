"""Writes /proc and /sys of real machines: what the kernel shows there of their cores, nodes and limits, and no more."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.host.describe import Host, describe
from harness.host.topology import ranges
from tests.host.host_tree import write

_AVX512 = "fpu avx2 avx512f avx512_vnni"
_AMX = f"{_AVX512} avx512_bf16 avx512_fp16 avx_vnni amx_bf16 amx_tile amx_int8"


def _intel(name: str, model: int, stepping: int, microcode: str, flags: str) -> dict[str, str]:
    return {
        **{"vendor_id": "GenuineIntel", "cpu family": "6", "model": str(model), "model name": name},
        **{"stepping": str(stepping), "microcode": microcode, "flags": flags},
    }


SKYLAKE = _intel("Intel(R) Xeon(R) Platinum 8168 CPU @ 2.70GHz", 85, 4, "0x2007006", "fpu avx2 avx512f")
CASCADE_LAKE = _intel("Intel Xeon Processor (Cascadelake)", 85, 6, "0x1", f"{_AVX512} hypervisor")
ICE_LAKE = _intel("Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz", 106, 6, "0xd0003b9", _AVX512)
SAPPHIRE_RAPIDS = _intel("Intel(R) Xeon(R) Platinum 8480+", 143, 8, "0x2b0005c0", _AMX)
EMERALD_RAPIDS = _intel("INTEL(R) XEON(R) PLATINUM 8592+", 207, 2, "0x21000230", _AMX)
RAPTOR_LAKE = _intel("13th Gen Intel(R) Core(TM) i9-13900K", 183, 1, "0x123", "fpu avx2 avx_vnni")
GENOA = {
    **{"vendor_id": "AuthenticAMD", "cpu family": "25", "model": "17", "model name": "AMD EPYC 9654 96-Core Processor"},
    **{"stepping": "1", "microcode": "0xa10113e", "flags": f"{_AVX512} avx512_bf16"},
}

#: CPU model -> kibibytes of data cache, second-level and last-level cache, and the cores that share each.
_CACHES = {
    "85": ((32, 1), (1024, 1), (33792, None)),
    "106": ((48, 1), (1280, 1), (61440, None)),
    "143": ((48, 1), (2048, 1), (107520, None)),
    "207": ((48, 1), (2048, 1), (327680, None)),
    "183": ((48, 1), (2048, 1), (36864, None)),
    "17": ((32, 1), (1024, 1), (32768, 8)),
}

#: The same of the efficient cores of a hybrid CPU, which alone have no SMT there.
_EFFICIENT_CACHES = ((32, 1), (4096, 4), (36864, None))


@dataclass(frozen=True)
class Machine:
    """`cores` are (logical CPUs, socket, node) of each physical core; `memory` is node -> gibibytes.

    `allowed` and `memory_allowed` are kernel's lists of what this process may use; None is all. `files` are written
    besides.
    """

    cpu: Mapping[str, str]
    cores: Sequence[tuple[tuple[int, ...], int, int]]
    memory: Mapping[int, int]
    allowed: str | None = None
    memory_allowed: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)


def _cores(per_node: int, nodes: int, sockets: int, smt: int = 2, interleaved: bool = False) -> list:
    """Return the cores of nodes that the sockets share out; siblings come after all first threads, as on Xeons."""
    total = per_node * nodes
    found = []
    for core in range(total):
        node = core % nodes if interleaved else core // per_node
        found.append((tuple(core + total * thread for thread in range(smt)), node * sockets // nodes, node))
    return found


def _without(cores: Sequence, offline: set[int]) -> list:
    left = [(tuple(cpu for cpu in own if cpu not in offline), socket, node) for own, socket, node in cores]
    return [core for core in left if core[0]]


_TWO_ICE_LAKES = _cores(40, 2, 2)
_HYBRID = [((2 * core, 2 * core + 1), 0, 0) for core in range(8)] + [((16 + core,), 0, 0) for core in range(16)]

#: Name -> machine.
MACHINES: dict[str, Machine] = {
    "2 x 40 Ice Lake": Machine(ICE_LAKE, _TWO_ICE_LAKES, {0: 256, 1: 256}),
    "2 x 56 Sapphire Rapids, SNC4": Machine(SAPPHIRE_RAPIDS, _cores(14, 8, 2), dict.fromkeys(range(8), 64)),
    "2 x 64 Emerald Rapids, nodes interleaved": Machine(
        EMERALD_RAPIDS, _cores(64, 2, 2, interleaved=True), {0: 512, 1: 512}
    ),
    "1 x 96 EPYC, NPS1": Machine(GENOA, _cores(96, 1, 1), {0: 768}),
    "a virtual machine of 2 cores": Machine(
        CASCADE_LAKE,
        _cores(2, 1, 1, smt=1),
        {0: 8},
        files={"sys/class/dmi/id/sys_vendor": "QEMU\n", "sys/class/dmi/id/product_name": "Standard PC\n"},
    ),
    "a container with a cpuset across nodes": Machine(ICE_LAKE, _TWO_ICE_LAKES, {0: 256, 1: 256}, "28-49", "0-1"),
    "a container with memory of one node": Machine(ICE_LAKE, _TWO_ICE_LAKES, {0: 256, 1: 256}, "28-79", "0"),
    "a container with a quota of 6.5 CPUs": Machine(
        ICE_LAKE,
        _TWO_ICE_LAKES,
        {0: 256, 1: 256},
        files={
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/cpu.max": "650000 100000\n",
            "sys/fs/cgroup/memory.max": f"{16 * 2**30}\n",
        },
    ),
    "a hybrid client CPU": Machine(
        RAPTOR_LAKE,
        _HYBRID,
        {0: 64},
        files={"sys/devices/cpu_core/cpus": "0-15\n", "sys/devices/cpu_atom/cpus": "16-31\n"},
    ),
    "2 x 56 Sapphire Rapids with CXL memory": Machine(SAPPHIRE_RAPIDS, _cores(56, 2, 2), {0: 256, 1: 256, 2: 512}),
    "2 x 40 Ice Lake, CPUs offline": Machine(
        ICE_LAKE, _without(_TWO_ICE_LAKES, {0, *range(4, 20), *range(84, 100)}), {0: 256, 1: 256}, "0-159"
    ),
    "2 x 24 Skylake, SMT off": Machine(SKYLAKE, _cores(24, 2, 2, smt=1), {0: 96, 1: 96}, "0-95"),
    "2 x 40 Ice Lake, a node without memory": Machine(ICE_LAKE, _TWO_ICE_LAKES, {0: 0, 1: 512}),
    "2 x 56 Sapphire Rapids, cores isolated": Machine(
        SAPPHIRE_RAPIDS,
        _cores(56, 2, 2),
        {0: 256, 1: 256},
        files={"sys/devices/system/cpu/isolated": "48-55,160-167\n"},
    ),
}


@functools.cache
def described(name: str) -> Host:
    """Return a made machine as this harness sees it from within.

    Its thousand files are written to memory where the host has a folder there: on a busy disk they take seconds.
    """
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        return describe(build(Path(folder), MACHINES[name]))


def build(root: Path, machine: Machine) -> Path:
    """Write a machine's tree below `root` and return that."""
    nodes: dict[int, list[int]] = {node: [] for node in machine.memory}
    for own, _, node in machine.cores:
        nodes[node].extend(own)
    online = sorted(cpu for own, _, _ in machine.cores for cpu in own)
    files = {
        "proc/cpuinfo": "\n\n".join(_block(cpu, machine.cpu) for cpu in online),
        "proc/meminfo": f"MemTotal:       {sum(machine.memory.values()) * 2**20} kB\nMemFree: 1 kB\n",
        "proc/self/status": f"Name:\tx\nCpus_allowed_list:\t{machine.allowed or ranges(online)}\n"
        f"Mems_allowed_list:\t{machine.memory_allowed or ranges(sorted(machine.memory))}\n",
        "proc/sys/kernel/osrelease": "6.8.0\n",
        "sys/devices/system/cpu/online": f"{ranges(online)}\n",
        "sys/devices/system/cpu/isolated": "\n",
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    }
    for node, cpus in nodes.items():
        folder = f"sys/devices/system/node/node{node}"
        files[f"{folder}/cpulist"] = f"{ranges(sorted(cpus))}\n"
        files[f"{folder}/meminfo"] = f"Node {node} MemTotal:   {machine.memory[node] * 2**20} kB\n"
    for own, socket, _ in machine.cores:
        for cpu in own:
            folder = f"sys/devices/system/cpu/cpu{cpu}/topology"
            files[f"{folder}/thread_siblings_list"] = f"{ranges(own)}\n"
            files[f"{folder}/physical_package_id"] = f"{socket}\n"
    return write(root, {**files, **_caches(machine), **machine.files})


def _block(number: int, cpu: Mapping[str, str]) -> str:
    return "\n".join(f"{name}\t: {value}" for name, value in {"processor": str(number), **cpu}.items())


def _caches(machine: Machine) -> dict[str, str]:
    """Return the caches, each with the first CPU that shares it alone: thousands of files say the same."""
    is_hybrid = "sys/devices/cpu_atom/cpus" in machine.files
    kinds: dict[tuple[int, bool], list[tuple[int, ...]]] = {}
    for own, socket, _ in machine.cores:
        kinds.setdefault((socket, is_hybrid and len(own) == 1), []).append(own)
    files = {}
    for (socket, is_efficient), cores in kinds.items():
        caches = _EFFICIENT_CACHES if is_efficient else _CACHES[machine.cpu["model"]]
        whole = [own for own, of, _ in machine.cores if of == socket]
        for index, (size, sharing) in enumerate(caches):
            groups = [cores[at : at + sharing] for at in range(0, len(cores), sharing)] if sharing else [whole]
            for group in groups:
                shared = sorted(cpu for own in group for cpu in own)
                place = f"sys/devices/system/cpu/cpu{shared[0]}/cache/index{index}"
                files |= {
                    f"{place}/level": f"{index + 1}\n",
                    f"{place}/type": "Unified\n" if index else "Data\n",
                    f"{place}/size": f"{size}K\n",
                    f"{place}/shared_cpu_list": f"{ranges(shared)}\n",
                }
    return files
