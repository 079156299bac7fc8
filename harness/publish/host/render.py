"""How `harness doctor` looks: the host as a compact table, then its findings, the worst first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.padding import Padding
from rich.table import Table

from harness.config.schema import HostConfig
from harness.errors import StageError
from harness.host.checks import Finding, gibibytes
from harness.host.describe import ISA_FLAGS, Host, fingerprint, memory_bytes
from harness.host.placement import place
from harness.host.topology import in_short
from harness.publish.common.narrow import print_table
from harness.text.terminal import Console, Joined, Text
from harness.text.words import counted

#: What stands before a finding, and its colour.
_SIGNS = {"severe": ("✗", "bold red"), "warning": ("!", "yellow"), "note": ("·", "cyan")}

#: Instruction sets as a person writes them.
_NAMES = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX VNNI",
    "avx512_bf16": "AVX-512 BF16",
    "avx512_fp16": "AVX-512 FP16",
    "amx_tile": "AMX",
    "amx_int8": "AMX INT8",
    "amx_bf16": "AMX BF16",
}


def render(host: Host, findings: Sequence[Finding], console: Console) -> None:
    """Print the host and its findings; commands stand alone on their lines, to be copied."""
    render_facts(host, console)
    console.print()
    if not findings:
        console.print(Text("Nothing was found that would make timings untrustworthy.", style="green"))
    for finding in findings:
        _print(finding, console)


def render_facts(host: Host, console: Console) -> None:
    """Print what the host is."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _facts(host):
        table.add_row(name, value)
    print_table(table, console)


def _print(finding: Finding, console: Console) -> None:
    sign, style = _SIGNS[finding.severity]
    console.print(Text.assemble((sign, style), " ", (finding.what, "bold")))
    console.print(Padding(Text(finding.why), (0, 0, 0, 2)))
    if finding.command is not None:
        # Never wrapped: a broken line would not be the command any more.
        console.print(Text.assemble("    $ ", (finding.command, "green")), soft_wrap=True)


def _facts(host: Host) -> Iterator[tuple[str, Joined]]:
    kind = "Intel Xeon" if host.xeon else "not an Intel Xeon"
    numbers = ", ".join(
        f"{name} {value}"
        for name, value in (("family", host.family), ("model", host.model), ("stepping", host.stepping))
        if value is not None
    )
    yield "host", Text(fingerprint(host), style="bold")
    yield "CPU", Text(host.model_name or "unknown")
    yield "generation", Text(f"{host.generation or 'unknown'} ({kind})")
    yield "numbers", Text(", ".join(filter(None, (numbers, host.microcode and f"microcode {host.microcode}"))) or "-")
    yield "instructions", _instructions(host)
    yield "cores", Text(_cores(host))
    yield "by default", Text(_placement(host))
    yield "caches", Text(_caches(host))
    yield "NUMA", Text(_numa(host))
    yield "memory", Text(f"{gibibytes(host.memory_total_bytes)}, of which {gibibytes(memory_bytes(host))} allowed")
    yield "limits", Text(_limits(host))
    yield "clock", Text(_clock(host))
    yield "machine", Text(_machine(host))


def _instructions(host: Host) -> Joined:
    there = [Text(_NAMES[flag], style="green") for flag in ISA_FLAGS if flag in host.isa]
    absent = [_NAMES[flag] for flag in ISA_FLAGS if flag not in host.isa]
    text = Text(", ").join(there or [Text("none of those that matter")])
    return text.append(f" (no {', '.join(absent)})", style="dim") if absent else text


def _cores(host: Host) -> str:
    smt = f"SMT {host.threads_per_core}" if host.threads_per_core > 1 else "no SMT"
    return f"{counted(host.sockets, 'socket')}, {counted(host.physical_cores, 'core')}, {smt}"


def _placement(host: Host) -> str:
    try:
        found = place(HostConfig(name="native"), host)
    except StageError as error:
        return f"no cell can run: {error.message}"
    return "; ".join((f"a cell has {found}", *found.notes))


def _caches(host: Host) -> str:
    shown = []
    for cache in host.caches:
        name = f"L{cache.level}" + {"data": "d", "instruction": "i"}.get(cache.kind, "")
        size = cache.size_bytes / 1024
        text = f"{size:g} KiB" if size < 1024 else f"{size / 1024:g} MiB"
        shown.append(f"{name} {cache.count} x {text}" + (f" for {cache.shared_by} CPUs" * (cache.shared_by > 1)))
    return ", ".join(shown) or "unknown"


def _numa(host: Host) -> str:
    shown = []
    for node in host.numa:
        memory = f", {gibibytes(node.memory_bytes)}" if node.memory_bytes is not None else ""
        shown.append(f"node {node.number}: CPU {in_short(node.cpus) or 'none'}{memory}")
    return "; ".join(shown) or "unknown"


def _limits(host: Host) -> str:
    cpus = "no CPU quota" if host.cgroup_cpus is None else f"quota of {host.cgroup_cpus:g} CPUs"
    memory = host.cgroup_memory_bytes
    return f"{cpus}, {'no memory limit' if memory is None else f'memory limit {gibibytes(memory)}'} (control group)"


def _clock(host: Host) -> str:
    turbo = {True: "turbo on", False: "turbo off", None: "turbo not visible"}[host.turbo]
    governor = f"governor {host.governor}" if host.governor else "governor not visible"
    return ", ".join(filter(None, (governor, host.scaling_driver and f"driver {host.scaling_driver}", turbo)))


def _machine(host: Host) -> str:
    what = "physical"
    if host.virtual:
        what = f"virtual ({host.hypervisor})" if host.hypervisor else "virtual, its hypervisor does not say which"
    pages = f"huge pages {host.transparent_huge_pages}" if host.transparent_huge_pages else None
    return ", ".join(filter(None, (what, host.kernel and f"Linux {host.kernel}", pages)))
