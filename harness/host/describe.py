"""What this host is: everything of the machine that matters for speed and accuracy, read from /proc and /sys."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config.cell import digest
from harness.host import cgroup, topology
from harness.host.generations import generation, is_xeon
from harness.host.topology import cpu_list
from harness.host.topology import read as _read

#: The instruction sets that decide which kernels a framework runs, as /proc/cpuinfo spells them.
ISA_FLAGS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
)


@dataclass(frozen=True)
class Cache:
    """One kind of cache: `count` of them, each of `size_bytes` and shared by `shared_by` logical CPUs."""

    level: int
    kind: str  # data, instruction or unified
    size_bytes: int
    shared_by: int
    count: int


@dataclass(frozen=True)
class NumaNode:
    """One memory node and the logical CPUs near it."""

    number: int
    cpus: tuple[int, ...]
    memory_bytes: int | None


@dataclass(frozen=True)
class Host:
    """One machine as this process sees it; None is "not readable here", never a guess."""

    vendor: str | None
    model_name: str | None
    family: int | None
    model: int | None
    stepping: int | None
    generation: str | None
    xeon: bool
    microcode: str | None
    isa: tuple[str, ...]
    caches: tuple[Cache, ...]
    sockets: int
    physical_cores: int
    logical_cpus: int
    threads_per_core: int
    cores: tuple[tuple[int, ...], ...]  # logical CPUs of each physical core
    numa: tuple[NumaNode, ...]
    memory_total_bytes: int
    affinity: tuple[int, ...]  # logical CPUs that this process may use
    cgroup_cpus: float | None
    cgroup_memory_bytes: int | None
    governor: str | None
    scaling_driver: str | None
    turbo: bool | None
    virtual: bool
    hypervisor: str | None
    kernel: str | None
    transparent_huge_pages: str | None
    # Not in the descriptions of earlier versions: empty is "not told".
    core_sockets: tuple[int, ...] = ()  # the socket of each physical core, in the order of `cores`
    core_kinds: tuple[str, ...] = ()  # performance or efficient, likewise; empty also where all cores are alike
    isolated: tuple[int, ...] = ()  # logical CPUs among which the kernel's scheduler spreads nothing
    memory_nodes: tuple[int, ...] = ()  # NUMA nodes that this process may have memory of


def describe(root: Path = Path("/")) -> Host:
    """Return the host whose ``proc`` and ``sys`` stand below `root`."""
    cpus = root / "sys/devices/system/cpu"
    processors = _processors(root)
    first = processors[0] if processors else {}
    vendor, name = first.get("vendor_id"), first.get("model name")
    family, model, stepping = (_number(first.get(key)) for key in ("cpu family", "model", "stepping"))
    flags = set(first.get("flags", "").split())
    isa = tuple(flag for flag in ISA_FLAGS if flag in flags)
    online = cpu_list(_read(cpus / "online")) or tuple(range(len(processors)))
    cores = topology.cores(cpus, online, processors)
    packages = {_read(cpus / f"cpu{cpu}/topology/physical_package_id") for cpu in online}
    affinity = cpu_list(_status(root, "Cpus_allowed_list")) or online
    control = cgroup.limits(root)
    return Host(
        vendor=vendor,
        model_name=name,
        family=family,
        model=model,
        stepping=stepping,
        generation=generation(vendor, family, model, stepping, isa),
        xeon=is_xeon(vendor, name, family, model),
        microcode=first.get("microcode"),
        isa=isa,
        caches=_caches(cpus, online),
        sockets=max(1, len(packages)),
        physical_cores=len(cores),
        logical_cpus=len(online),
        threads_per_core=max((len(core) for core in cores), default=1),
        cores=cores,
        numa=_numa(root),
        memory_total_bytes=_kilobytes(_read(root / "proc/meminfo"), "MemTotal") or 0,
        affinity=affinity,
        cgroup_cpus=control.cpus,
        cgroup_memory_bytes=control.memory_bytes,
        governor=_of_all(cpus, affinity, "cpufreq/scaling_governor"),
        scaling_driver=_of_all(cpus, affinity, "cpufreq/scaling_driver"),
        turbo=_turbo(cpus),
        virtual="hypervisor" in flags,
        hypervisor=_hypervisor(root) if "hypervisor" in flags else None,
        kernel=_read(root / "proc/sys/kernel/osrelease"),
        transparent_huge_pages=_chosen(_read(root / "sys/kernel/mm/transparent_hugepage/enabled")),
        core_sockets=topology.sockets(cpus, cores, processors),
        core_kinds=topology.kinds(root, cpus, cores),
        isolated=cpu_list(_read(cpus / "isolated")),
        memory_nodes=cpu_list(_status(root, "Mems_allowed_list")),
    )


def fingerprint(host: Host) -> str:
    """Return 12 hex digits of the SHA-256 over what matters for speed and accuracy.

    CPU model, stepping, microcode, instruction sets, caches, NUMA and SMT: neither load, memory nor kernel.
    """
    caches = [dataclasses.astuple(cache) for cache in host.caches]
    numa = [node.cpus for node in host.numa]
    cpu = (host.vendor, host.model_name, host.family, host.model, host.stepping, host.microcode, host.isa)
    return digest([cpu, caches, numa, host.cores], 12)


def with_all_instructions(host: Host) -> Host:
    """Return the host as if it had every instruction set that matters."""
    return dataclasses.replace(host, isa=ISA_FLAGS)


def from_dict(values: Mapping[str, Any]) -> Host:
    """Return the host of a stored description, as ``dataclasses.asdict`` and JSON have made it of one.

    Raises
    ------
    TypeError, ValueError, KeyError, AttributeError : it is none of any version of this harness.
    """
    known = {field.name for field in dataclasses.fields(Host)}
    plain = {name: _tuples(value) for name, value in values.items() if name in known}
    caches = tuple(Cache(**cache) for cache in plain.pop("caches"))
    numa = tuple(NumaNode(**{**node, "cpus": tuple(node["cpus"])}) for node in plain.pop("numa"))
    host = Host(**plain, caches=caches, numa=numa)
    if host.sockets == 1 and not host.core_sockets:
        host = dataclasses.replace(host, core_sockets=(0,) * len(host.cores))
    return host


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def memory_bytes(host: Host) -> int:
    """Return how much memory this process may use at most: the host's, or less where a control group says so."""
    return min(host.memory_total_bytes, host.cgroup_memory_bytes or host.memory_total_bytes)


def _processors(root: Path) -> list[dict[str, str]]:
    text = _read(root / "proc/cpuinfo") or ""
    blocks = [block for block in text.split("\n\n") if block.startswith("processor")]
    return [dict(_pair(line) for line in block.splitlines() if ":" in line) for block in blocks]


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _caches(cpus: Path, online: Iterable[int]) -> tuple[Cache, ...]:
    seen: dict[tuple[int, str, int, int], set[str]] = {}
    for cpu in online:
        for index in sorted((cpus / f"cpu{cpu}/cache").glob("index*")):
            level, kind, size = (_read(index / name) for name in ("level", "type", "size"))
            shared = _read(index / "shared_cpu_list") or str(cpu)
            if level is None or kind is None or size is None:
                continue
            key = (int(level), kind.lower(), _size_bytes(size), len(cpu_list(shared)))
            seen.setdefault(key, set()).add(shared)
    return tuple(Cache(*key, count=len(places)) for key, places in sorted(seen.items()))


def _numa(root: Path) -> tuple[NumaNode, ...]:
    nodes = []
    for folder in (root / "sys/devices/system/node").glob("node[0-9]*"):
        memory = _kilobytes(_read(folder / "meminfo"), "MemTotal")
        nodes.append(NumaNode(int(folder.name[4:]), cpu_list(_read(folder / "cpulist")), memory))
    return tuple(sorted(nodes, key=lambda node: node.number))


def _turbo(cpus: Path) -> bool | None:
    no_turbo = _read(cpus / "intel_pstate/no_turbo")
    if no_turbo is not None:
        return no_turbo == "0"
    boost = _read(cpus / "cpufreq/boost")
    return None if boost is None else boost == "1"


def _of_all(cpus: Path, numbers: Iterable[int], name: str) -> str | None:
    """Return the one value that all CPUs share, or all values, comma-separated."""
    found = {_read(cpus / f"cpu{cpu}" / name) for cpu in numbers}
    return ",".join(sorted(value for value in found if value is not None)) or None


def _hypervisor(root: Path) -> str | None:
    """Return the hypervisor's or the virtual machine's maker and product, as far as the guest is told."""
    dmi = root / "sys/class/dmi/id"
    words = [_read(dmi / "sys_vendor"), _read(dmi / "product_name"), _read(root / "sys/hypervisor/type")]
    return " ".join(word for word in words if word) or None


def _status(root: Path, field: str) -> str | None:
    text = _read(root / "proc/self/status") or ""
    found = re.search(rf"^{field}:\s*(\S+)", text, re.MULTILINE)
    return found.group(1) if found else None


def _kilobytes(text: str | None, field: str) -> int | None:
    found = re.search(rf"{field}:\s*(\d+) kB", text or "")
    return int(found.group(1)) * 1024 if found else None


def _size_bytes(text: str) -> int:
    units = {"K": 2**10, "M": 2**20, "G": 2**30}
    return int(text[:-1]) * units[text[-1]] if text[-1] in units else int(text)


def _chosen(text: str | None) -> str | None:
    """Return the bracketed word of ``always [madvise] never``."""
    found = re.search(r"\[(\w+)\]", text or "")
    return found.group(1) if found else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None
