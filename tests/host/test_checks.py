from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.host.checks import SEVERITIES, WAITING, findings
from harness.host.describe import Host, describe
from harness.host.load import Load, Neighbour, observe, throttle_count, ticks
from tests.host.host_tree import two_sockets, write

QUIET = Load(
    load_average=0.1,
    steal_share=0.0,
    steal_share_since_boot=0.0,
    busy=dict.fromkeys(range(8), 0.01),
    neighbours=(),
    memory_available_bytes=64 * 2**30,
    swap_used_bytes=0,
    disk_free_bytes=100 * 2**30,
    throttle_count=0,
)


@pytest.fixture
def good(tmp_path: Path) -> Host:
    """A host about which there is nothing to say: each test makes one thing worse."""
    host = describe(two_sockets(tmp_path))
    return dataclasses.replace(
        host,
        model=0x8F,
        isa=("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16"),
        governor="performance",
        turbo=False,
        threads_per_core=1,
        cores=tuple((cpu,) for cpu in range(8)),
        numa=(dataclasses.replace(host.numa[0], cpus=tuple(range(8))),),
        memory_total_bytes=64 * 2**30,
    )


def test_nothing_is_said_about_a_good_quiet_host(good: Host):
    assert findings(good, QUIET) == ()


@pytest.mark.parametrize(
    ("change", "severity", "words", "command"),
    [
        ({"governor": "powersave"}, "warning", "powersave", "sudo cpupower frequency-set -g performance"),
        (
            {"turbo": True},
            "warning",
            "turbo is on",
            "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo",
        ),
        (
            {"turbo": True, "scaling_driver": "acpi-cpufreq"},
            "warning",
            "turbo is on",
            "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost",
        ),
        ({"governor": None}, "note", "no frequency governor", None),
        ({"virtual": True, "hypervisor": "QEMU"}, "note", "virtual machine (QEMU)", WAITING),
        ({"cgroup_cpus": 0.5}, "severe", "allows 0.5 CPUs", None),
        ({"isa": ("avx2", "amx_int8", "amx_bf16"), "xeon": False}, "note", "not an Intel Xeon", None),
        ({"isa": ("avx2", "amx_bf16")}, "warning", "INT8 will hardly be faster", None),
        ({"isa": ("avx2", "amx_int8")}, "warning", "BF16 will be slower", None),
        ({"isa": ("avx2", "avx512_vnni", "avx512_bf16")}, "note", "no AMX", None),
        ({"model": 0xA7, "generation": "Sapphire Rapids or later"}, "note", "is that of Rocket Lake, which has", None),
        (
            {"transparent_huge_pages": "always"},
            "note",
            "huge pages",
            "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled",
        ),
        ({"memory_total_bytes": 2**30}, "warning", "only 1.0 GiB of memory", None),
        ({"cgroup_memory_bytes": 2**30}, "warning", "only 1.0 GiB of memory", None),
    ],
)
def test_one_bad_thing_of_the_host_is_one_finding(good: Host, change, severity, words, command):
    (finding,) = findings(dataclasses.replace(good, **change), QUIET)
    assert finding.severity == severity
    assert words in finding.what
    assert finding.command == command


@pytest.mark.parametrize(
    ("change", "severity", "words"),
    [
        ({"steal_share": 0.02}, "warning", "2.0% of the CPU time is being stolen"),
        ({"steal_share": 0.2}, "severe", "20.0% of the CPU time is being stolen"),
        ({"steal_share_since_boot": 0.02}, "warning", "since boot was stolen"),
        ({"load_average": 3.0}, "note", "load average is 3.00"),
        ({"neighbours": (Neighbour(7, "mysqld", 0.4),)}, "warning", "mysqld (pid 7) 40%"),
        ({"neighbours": (Neighbour(7, "mysqld", 5.0),)}, "severe", "use 5.0 of 8 allowed CPUs"),
        ({"throttle_count": 3}, "warning", "3 thermal throttle events"),
        ({"swap_used_bytes": 2**30}, "warning", "1.0 GiB of swap"),
        ({"disk_free_bytes": 2**30}, "warning", "only 1.0 GiB of disk"),
        ({"memory_available_bytes": 2**30}, "warning", "only 1.0 GiB of memory"),
    ],
)
def test_one_bad_thing_that_goes_on_is_one_finding(good: Host, change, severity, words):
    (finding,) = findings(good, dataclasses.replace(QUIET, **change))
    assert finding.severity == severity
    assert words in finding.what


def test_swap_is_switched_off_only_where_memory_can_take_it_back(good: Host):
    full = dataclasses.replace(QUIET, swap_used_bytes=40 * 2**30)
    assert findings(good, full)[0].command is None
    roomy = dataclasses.replace(QUIET, swap_used_bytes=2**30)
    assert findings(good, roomy)[0].command == "sudo swapoff -a"


def test_a_busy_sibling_is_worse_than_an_idle_one(tmp_path: Path, good: Host):
    smt = dataclasses.replace(good, threads_per_core=2, cores=describe(two_sockets(tmp_path)).cores)
    (idle,) = findings(smt, QUIET)
    assert (idle.severity, idle.command) == ("note", "echo off | sudo tee /sys/devices/system/cpu/smt/control")
    # CPU 1 is measured itself; its sibling is CPU 5.
    (busy,) = findings(smt, dataclasses.replace(QUIET, busy={1: 1.0, 5: 0.6, 6: 0.02}))
    assert (busy.severity, busy.what) == ("warning", "SMT siblings of measured cores are busy: CPU 5")


def test_a_host_whose_cells_are_placed_well_needs_no_word_of_nodes_and_quotas(tmp_path: Path, good: Host):
    assert findings(dataclasses.replace(good, numa=describe(two_sockets(tmp_path)).numa), QUIET) == ()
    assert findings(dataclasses.replace(good, cgroup_cpus=2.5), QUIET) == ()


def test_the_worst_stands_first(good: Host):
    bad = dataclasses.replace(good, governor="powersave", cgroup_cpus=0.5, xeon=False)
    order = [SEVERITIES.index(finding.severity) for finding in findings(bad, QUIET)]
    assert order == sorted(order) == [0, 1, 2]


def test_a_busy_process_is_seen_by_name_and_share(tmp_path: Path):
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            deadline = time.monotonic() + 20
            seen: dict[int, Neighbour] = {}
            while busy.pid not in seen and time.monotonic() < deadline:
                load = observe((0, 1), tmp_path / "not" / "there", seconds=0.3)
                seen = {neighbour.pid: neighbour for neighbour in load.neighbours}
        finally:
            busy.kill()
    assert "python" in seen[busy.pid].name
    assert 0.05 <= seen[busy.pid].cpu_share <= 1.5
    assert load.disk_free_bytes > 0
    assert all(0 <= share <= 1 for share in load.busy.values())


def test_ticks_and_throttle_counts_are_read_from_the_kernels_files(tmp_path: Path):
    write(
        tmp_path,
        {
            "proc/stat": "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\ncpu11 2 2 2 2 2 2 2 2 2 2\nintr 1\n",
            "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "4\n",
            "sys/devices/system/cpu/cpu11/thermal_throttle/core_throttle_count": "3\n",
        },
    )
    assert ticks(tmp_path) == {0: (1, 2, 3, 4, 5, 6, 7, 8), 11: (2,) * 8}
    assert throttle_count(tmp_path) == 7
    assert throttle_count(tmp_path / "empty") is None
