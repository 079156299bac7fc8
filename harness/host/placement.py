"""Where on a host a cell runs: which logical CPUs, one thread on each, and the NUMA nodes that its memory is bound to.

Without an option a cell has the physical cores of one NUMA node, one logical CPU of each, and its memory there. Across
nodes, a thread that happens to lie far from its pages is slower by half or more, by chance of the first touch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.config.host_option import contradiction
from harness.config.schema import HostConfig
from harness.errors import StageError
from harness.host.describe import Host, NumaNode
from harness.host.topology import EFFICIENT, PERFORMANCE, in_short, ranges
from harness.text.words import counted


@dataclass(frozen=True)
class Placement:
    """What a cell is given of a host.

    `cores` are logical CPUs with a thread on each, and `nodes` the NUMA nodes they are on; none where the host tells
    no nodes. Memory is bound to `memory_nodes`, left to the kernel where there are none. `notes` say what was left out.
    """

    cores: tuple[int, ...]
    nodes: tuple[int, ...]
    memory_nodes: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @property
    def threads(self) -> int:
        """One a core."""
        return len(self.cores)

    def __str__(self) -> str:
        where = f" on {node_words(self.nodes)}" if self.nodes else ""
        memory = f"memory bound to {node_words(self.memory_nodes)}" if self.memory_nodes else "memory not bound"
        return f"{counted(self.threads, 'thread')}{where} (CPU {in_short(sorted(self.cores))}), {memory}"


@dataclass(frozen=True)
class _Core:
    """A physical core by its lowest allowed logical CPU; `node` and `socket` are None where the host tells none."""

    cpu: int
    node: int | None
    socket: int | None
    kind: str


def place(config: HostConfig, host: Host) -> Placement:
    """Return where a cell with this host option runs.

    Raises
    ------
    StageError : ``bad_config``, one line on what the option asks for and the host has not.
    """
    because = contradiction(config)
    if because is not None:
        raise StageError("bad_config", f"host.{because}")
    notes: list[str] = []
    chosen = _named(config, host, notes) if config.cores is not None else _chosen(config, host, notes)
    node_of = nodes_of(host)
    nodes = tuple(sorted({node_of[cpu] for cpu in chosen if cpu in node_of}))
    memory = memory_of(chosen, host)
    if nodes and not memory:
        notes.append("no memory is near these cores, so it is left to the kernel")
    return Placement(tuple(chosen), nodes, memory, tuple(notes))


def default_cores(host: Host) -> tuple[int, ...]:
    """Return the cores of a cell without any host option; none where this process may use none."""
    found = placed(HostConfig(name="native"), host)
    return () if found is None else found.cores


def misfit(config: HostConfig, host: Host) -> str | None:
    """Return one line on why a host option cannot be had on `host`, or None."""
    try:
        place(config, host)
    except StageError as error:
        return error.message
    return None


def placed(config: HostConfig, host: Host) -> Placement | None:
    """Return where a cell with this host option runs; None where the option cannot be had on `host`."""
    try:
        return place(config, host)
    except StageError:
        return None


def nodes_of(host: Host) -> dict[int, int]:
    """Return logical CPU -> NUMA node, for those that the host tells."""
    return {cpu: node.number for node in host.numa for cpu in node.cpus}


def memory_of(cpus: Iterable[int], host: Host) -> tuple[int, ...]:
    """Return the nodes that memory of these CPUs is to be bound to; none where any of their nodes is not told.

    Of their nodes those that have memory which this process may use: a node without any cannot be bound to.
    """
    node_of, cpus = nodes_of(host), tuple(cpus)
    if any(cpu not in node_of for cpu in cpus):
        return ()
    near = {node_of[cpu] for cpu in cpus}
    return tuple(node.number for node in host.numa if node.number in near and _has_memory(node, host))


def node_memory_bytes(nodes: Iterable[int], host: Host) -> int | None:
    """Return the memory of some nodes together; None where that of any node is not told, and for no node.

    As a share of the host's memory: a virtual machine that is given its memory little by little tells less for a node
    than it has in all.
    """
    wanted = set(nodes)
    sizes = {node.number: node.memory_bytes for node in host.numa if node.memory_bytes is not None}
    if not wanted or len(sizes) < len(host.numa) or not sum(sizes.values()):
        return None
    share = sum(size for number, size in sizes.items() if number in wanted) / sum(sizes.values())
    return int(host.memory_total_bytes * share)


def node_words(nodes: Sequence[int]) -> str:
    """Return nodes for a person: ``node 0``, ``nodes 0-1,4``."""
    return f"node{'s' if len(nodes) > 1 else ''} {ranges(sorted(nodes))}"


def _named(config: HostConfig, host: Host, notes: list[str]) -> list[int]:
    """Return the CPUs of ``host.cores``, in its order."""
    wanted = list(config.cores or ())
    online = {cpu for core in host.cores for cpu in core}
    for text, there in (("is not online here", online), ("may not be used by this process", _allowed(host))):
        missing = sorted(set(wanted) - there)
        if missing:
            raise _refused(f"host.cores: CPU {ranges(missing)} {text}; want some of {ranges(sorted(there))}")
    node_of, node = nodes_of(host), config.numa_node
    strange = sorted(cpu for cpu in wanted if node is not None and node_of.get(cpu) != node)
    if strange:
        raise _refused(f"host.cores: CPU {ranges(strange)} is not on node {node}, which host.numa_node names")
    quota = _quota(host)
    if quota is not None and len(wanted) > quota:
        raise _refused(f"host.cores: {len(wanted)} cores, and the control group allows {host.cgroup_cpus:g} CPUs")
    shared = [core for core in host.cores if len(set(core).intersection(wanted)) > 1]
    if shared:
        siblings = ", ".join(ranges(sorted(set(core).intersection(wanted))) for core in shared)
        notes.append(f"threads that share a physical core: CPU {siblings}")
    isolated = set(host.isolated).intersection(wanted)
    if isolated and len(wanted) > 1:
        notes.append(f"the kernel spreads no threads over isolated cores: CPU {ranges(sorted(isolated))}")
    return wanted


def _chosen(config: HostConfig, host: Host, notes: list[str]) -> list[int]:
    """Return the CPUs of the node, the sockets or the host that the option means, node after node."""
    every = pool = _balanced(_usable(host), host, notes)
    if config.whole:
        where = "this host"
        if len({core.kind for core in pool}) > 1:
            notes.append(f"cores of two kinds together, {PERFORMANCE} and {EFFICIENT}")
    elif config.sockets is not None:
        pool, where = _of_sockets(pool, config.sockets, host, notes), counted(config.sockets, "socket")
    else:
        pool, where = _of_node(pool, config.numa_node, host, notes)
    pool = sorted(pool, key=lambda core: (_first(core.socket), _first(core.node), core.cpu))
    more = " or host.whole=true" if len(every) > len(pool) else ""
    return [core.cpu for core in pool[: _limit(config, host, len(pool), where, more, notes)]]


def _limit(config: HostConfig, host: Host, there: int, where: str, more: str, notes: list[str]) -> int:
    """Return how many of the cores that are `there` are used; `more` says how to have others too."""
    quota, wanted = _quota(host), config.threads
    if wanted is not None and quota is not None and wanted > quota:
        raise _refused(
            f"host.threads={wanted}: the control group allows {host.cgroup_cpus:g} CPUs; want at most {quota}"
        )
    if wanted is not None and wanted > there:
        cores = counted(there, "usable core")
        raise _refused(f"host.threads={wanted}: {where} has {cores}; want at most {there}{more}")
    if wanted is not None or quota is None or quota >= there:
        return wanted or there
    notes.append(f"the control group allows {host.cgroup_cpus:g} CPUs: {quota} of {there} cores are used")
    return quota


def _balanced(pool: list[_Core], host: Host, notes: list[str]) -> list[_Core]:
    """Return the cores that the kernel's scheduler spreads threads over; all where there are none but isolated ones."""
    isolated = set(host.isolated)
    balanced = [core for core in pool if core.cpu not in isolated]
    left = sorted(core.cpu for core in pool if core.cpu in isolated)
    if left and balanced:
        notes.append(f"isolated cores are left out: CPU {ranges(left)}")
    elif left:
        notes.append("all allowed cores are isolated: the kernel spreads no threads over them")
    return balanced or pool


def _of_one_kind(pool: list[_Core], notes: list[str]) -> list[_Core]:
    for kind, other in ((PERFORMANCE, EFFICIENT), (EFFICIENT, PERFORMANCE)):
        own = [core for core in pool if core.kind == kind]
        left = sorted(core.cpu for core in pool if core.kind == other)
        if own and left:
            notes.append(f"{other} cores are left out: CPU {ranges(left)}")
        if own:
            return own
    return pool


def _of_node(pool: list[_Core], wanted: int | None, host: Host, notes: list[str]) -> tuple[list[_Core], str]:
    """Return the cores of one node, and its name: the node that is wanted, else the one with most cores."""
    nodes = {node.number: node for node in host.numa}
    if wanted is not None and wanted not in nodes:
        there = f"want one of {ranges(sorted(nodes))}" if nodes else "it tells none"
        raise _refused(f"host.numa_node={wanted}: this host has no such node; {there}")
    by_node: dict[int, list[_Core]] = {}
    for core in pool:
        if core.node is not None:
            by_node.setdefault(core.node, []).append(core)
    near = {number for number in by_node if _has_memory(nodes[number], host)} or set(by_node)
    if wanted is None:
        if not by_node:
            return _of_one_kind(pool, notes), "this host"
        wanted = min(near, key=lambda number: (-len(_of_one_kind(by_node[number], [])), number))
    elif wanted not in by_node:
        kind = "may be used by this process" if nodes[wanted].cpus else "is there: the node is memory only"
        raise _refused(f"host.numa_node={wanted}: no core of it {kind}; want one of {ranges(sorted(by_node))}")
    elif wanted not in near:
        raise _refused(f"host.numa_node={wanted}: it has no usable memory; want one of {ranges(sorted(near))}")
    return _of_one_kind(by_node[wanted], notes), f"node {wanted}"


def _of_sockets(pool: list[_Core], count: int, host: Host, notes: list[str]) -> list[_Core]:
    """Return the cores of the sockets that have most of them, of those that have memory near."""
    if not host.core_sockets:
        raise _refused(f"host.sockets={count}: this host does not tell which core is on which socket")
    by_socket: dict[int | None, list[_Core]] = {}
    for core in pool:
        by_socket.setdefault(core.socket, []).append(core)
    if count > len(by_socket):
        raise _refused(f"host.sockets={count}: usable cores are on {counted(len(by_socket), 'socket')} here")
    far = {number: not memory_of([core.cpu for core in own], host) for number, own in by_socket.items()}
    ranked = sorted(by_socket, key=lambda number: (far[number], -len(by_socket[number]), number))
    return _of_one_kind([core for number in ranked[:count] for core in by_socket[number]], notes)


def _usable(host: Host) -> list[_Core]:
    """Return the physical cores that this process may use, the lowest first.

    Raises
    ------
    StageError : ``bad_config`` when there is none.
    """
    allowed, node_of = _allowed(host), nodes_of(host)
    sockets = host.core_sockets or (None,) * len(host.cores)
    kinds = host.core_kinds or (PERFORMANCE,) * len(host.cores)
    found = []
    for core, socket, kind in zip(host.cores, sockets, kinds, strict=True):
        own = allowed.intersection(core)
        if own:
            found.append(_Core(min(own), node_of.get(min(own)), socket, kind))
    if not found:
        raise _refused("host: this process may use no core that is online")
    return sorted(found, key=lambda core: core.cpu)


def _allowed(host: Host) -> set[int]:
    # The kernel's list of allowed CPUs may hold some that are offline, or that could be plugged in.
    return {cpu for core in host.cores for cpu in core}.intersection(host.affinity)


def _has_memory(node: NumaNode, host: Host) -> bool:
    is_allowed = not host.memory_nodes or node.number in host.memory_nodes
    return is_allowed and node.memory_bytes != 0


def _quota(host: Host) -> int | None:
    return None if host.cgroup_cpus is None else max(1, int(host.cgroup_cpus))


def _first(number: int | None) -> int:
    return -1 if number is None else number


def _refused(line: str) -> StageError:
    return StageError("bad_config", line)
