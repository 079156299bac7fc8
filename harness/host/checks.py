"""What will make this host's timings untrustworthy: findings, each with the command that fixes it where one does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.cache import cache_folder
from harness.host.describe import Host, memory_bytes
from harness.host.generations import by_numbers, impossible
from harness.host.load import Load, observe
from harness.host.placement import default_cores

#: From what spoils a measurement to what a reader should merely know.
SEVERITIES = ("severe", "warning", "note")

#: Steal above this share of the time moves a median by as much as the criteria of a comparison.
STEAL_SHARE = 0.005
SEVERE_STEAL_SHARE = 0.05

#: Neighbours that together use more than this share of one CPU, or a sibling busier than this, are named.
NEIGHBOUR_SHARE = 0.1

#: An environment with its framework, a fine-tuned checkpoint and the artefacts of a suite need about this much.
DISK_BYTES = 4 * 2**30
MEMORY_BYTES = 4 * 2**30


#: Shows what waking threads costs: an idle core halts the guest. With two cores of a Zen 5, INT8 in FX took 12 ms with
#: threads that sleep and 4.8 ms with threads that spin, FP32 23 and 19 ms.
WAITING = "harness run suite=quickstart protocol.omp_wait_policy=PASSIVE,ACTIVE,default"


@dataclass(frozen=True)
class Finding:
    """One thing that will make timings untrustworthy, or that a reader of them must know.

    `command` fixes it on this host, exactly as written; None where no command does.
    """

    severity: str
    what: str
    why: str
    command: str | None = None


def findings(host: Host, load: Load | None = None) -> tuple[Finding, ...]:
    """Return the findings of `host`, severe ones first. Without a `load` the host is watched for half a second."""
    if load is None:
        load = observe(host.affinity, cache_folder())
    found = [
        *_clock(host),
        *_sharing(host, load),
        *_neighbours(host, load),
        *_instructions(host),
        *_memory(host, load),
    ]
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))


def _clock(host: Host) -> Iterator[Finding]:
    if host.governor is None:
        who = "the hypervisor sets the clock" if host.virtual else "no cpufreq driver is loaded"
        why = f"{who}, so the frequency may change between blocks unseen; the control in each block shows it"
        yield Finding("note", "no frequency governor is visible", why)
    elif host.governor != "performance":
        why = "the clock follows the load, so short series run at another frequency than long ones"
        command = "sudo cpupower frequency-set -g performance"
        yield Finding("warning", f"the frequency governor is {host.governor}", why, command)
    if host.turbo:
        why = "the clock depends on heat and on how many cores are busy, and AVX-512 and AMX lower it"
        command = "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost"
        if (host.scaling_driver or "").startswith("intel"):
            command = "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"
        yield Finding("warning", "turbo is on", why, command)


def _sharing(host: Host, load: Load) -> Iterator[Finding]:
    if host.virtual:
        maker = f" ({host.hypervisor})" if host.hypervisor else ""
        why = "other guests on the same machine cannot be seen, nor whether two of these CPUs share a core"
        why += "; only interleaved blocks are comparable, and threads that sleep between ops are slow to wake"
        yield Finding("note", f"this is a virtual machine{maker}", why, WAITING)
    if load.steal_share is not None and load.steal_share >= STEAL_SHARE:
        severity = "severe" if load.steal_share >= SEVERE_STEAL_SHARE else "warning"
        why = "the hypervisor gives this time to other guests, in bursts; each record holds its own steal"
        yield Finding(severity, f"{load.steal_share:.1%} of the CPU time is being stolen", why)
    elif (load.steal_share_since_boot or 0) >= STEAL_SHARE:
        why = "the hypervisor gave this time to other guests, and will again; each record holds its own steal"
        yield Finding("warning", f"{load.steal_share_since_boot:.1%} of the CPU time since boot was stolen", why)
    if host.cgroup_cpus is not None and host.cgroup_cpus < 1:
        what = f"the control group allows {host.cgroup_cpus:g} CPUs, less than one thread uses"
        yield Finding("severe", what, "it is stopped for the rest of each period, which shows as a long tail")
    if load.throttle_count:
        why = "the cores got too hot at times and slowed down; better cooling or a lower clock fixes it"
        yield Finding("warning", f"{load.throttle_count} thermal throttle events since boot", why)


def _neighbours(host: Host, load: Load) -> Iterator[Finding]:
    share = sum(neighbour.cpu_share for neighbour in load.neighbours)
    if share >= NEIGHBOUR_SHARE:
        names = ", ".join(f"{n.name} (pid {n.pid}) {n.cpu_share:.0%}" for n in load.neighbours)
        severity = "severe" if share >= 0.5 * len(host.affinity) else "warning"
        what = f"other processes use {share:.1f} of {len(host.affinity)} allowed CPUs: {names}"
        yield Finding(severity, what, "they take turns with the measured process and share its caches and memory")
    elif (load.load_average or 0) >= 0.5:
        why = "something was busy in the last minute and may be again"
        yield Finding("note", f"the load average is {load.load_average:.2f}", why)
    if host.threads_per_core > 1:
        pinned = set(default_cores(host))
        siblings = {cpu for core in host.cores if pinned.intersection(core) for cpu in core} - pinned
        busy = sorted(cpu for cpu in siblings if load.busy.get(cpu, 0) >= NEIGHBOUR_SHARE)
        command = "echo off | sudo tee /sys/devices/system/cpu/smt/control"
        if busy:
            what = f"SMT siblings of measured cores are busy: CPU {', '.join(map(str, busy))}"
            why = "a sibling takes up to half of a core's execution units"
            yield Finding("warning", what, why, command)
        else:
            why = "one CPU a core is measured, but others may use the siblings, which are idle now"
            yield Finding("note", f"SMT is on, {host.threads_per_core} threads a core", why, command)


def _instructions(host: Host) -> Iterator[Finding]:
    isa = set(host.isa)
    named = by_numbers(host.vendor, host.family, host.model, host.stepping)
    newer = None if named is None else impossible(host.vendor, named, host.isa)
    if newer is not None:
        what = f"the model number is that of {named}, which has no {newer[0]}"
        why = "the hypervisor hides which CPU this is, so its instructions name the generation; it may be a later one"
        yield Finding("note", what, why)
    if not host.xeon:
        why = "what is fast here need not be fast on a Xeon, and sums may differ in the last bits"
        yield Finding("note", f"not an Intel Xeon: {host.model_name or 'unknown CPU'}", why)
    if not isa & {"avx512_vnni", "avx_vnni", "amx_int8"}:
        why = "INT8 needs three instructions for one here, and its int16 sums may saturate: set reduce_range"
        yield Finding("warning", "no VNNI and no AMX: INT8 will hardly be faster than FP32", why)
    if not isa & {"avx512_bf16", "amx_bf16"}:
        why = "there is no BF16 instruction, so it is emulated; its accuracy is still that of BF16"
        yield Finding("warning", "BF16 will be slower than FP32", why)
    if host.xeon and not isa & {"amx_int8", "amx_bf16"}:
        why = "expect the INT8 gain of VNNI, not the several times larger one of AMX (Sapphire Rapids and later)"
        yield Finding("note", "no AMX", why)


def _memory(host: Host, load: Load) -> Iterator[Finding]:
    if host.transparent_huge_pages == "always":
        why = "the kernel merges pages in the background, so one process gets huge pages where the next does not"
        command = "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled"
        yield Finding("note", "transparent huge pages are always on", why, command)
    if load.swap_used_bytes:
        fits = load.memory_available_bytes > 2 * load.swap_used_bytes
        why = "a page that comes back from disk costs thousands of times what it costs from memory"
        what = f"{gibibytes(load.swap_used_bytes)} of swap is in use"
        yield Finding("warning", what, why, "sudo swapoff -a" if fits else None)
    memory = min(memory_bytes(host), load.memory_available_bytes)
    if memory < MEMORY_BYTES:
        why = f"fine-tuning and calibration need about {gibibytes(MEMORY_BYTES)}; cells may end as oom"
        yield Finding("warning", f"only {gibibytes(memory)} of memory can be had", why)
    if load.disk_free_bytes < DISK_BYTES:
        why = f"an environment and the artefacts of a suite need about {gibibytes(DISK_BYTES)}; HARNESS_CACHE moves it"
        yield Finding("warning", f"only {gibibytes(load.disk_free_bytes)} of disk are free for the cache", why)


def gibibytes(size_bytes: int) -> str:
    """Return a size for a person, in GiB."""
    return f"{size_bytes / 2**30:.1f} GiB"
