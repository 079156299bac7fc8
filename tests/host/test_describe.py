from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import cpuinfo
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config.schema import HostConfig
from harness.host.cgroup import limits
from harness.host.describe import ISA_FLAGS, Cache, describe, fingerprint, from_dict, memory_bytes
from harness.host.generations import generation, is_xeon
from harness.host.placement import place
from harness.host.topology import EFFICIENT, PERFORMANCE, cpu_list, ranges
from tests.host.host_tree import ICE_LAKE, two_sockets, write


def test_this_host_is_what_other_libraries_say_it_is():
    host, other = describe(), cpuinfo.get_cpu_info()
    assert host.model_name == other["brand_raw"]
    assert (host.family, host.model, host.stepping) == (other["family"], other["model"], other["stepping"])
    assert set(host.isa) == set(ISA_FLAGS) & set(other["flags"])
    assert host.logical_cpus == psutil.cpu_count()
    assert host.physical_cores == psutil.cpu_count(logical=False)
    assert set(host.affinity) == os.sched_getaffinity(0)
    assert host.memory_total_bytes == pytest.approx(psutil.virtual_memory().total, rel=0.5)
    json.dumps(dataclasses.asdict(host), allow_nan=False)


@pytest.mark.parametrize(
    ("vendor", "numbers", "name"),
    [
        ("GenuineIntel", (6, 0x4F, 1), "Broadwell-EP"),  # E5-2699 v4
        ("GenuineIntel", (6, 0x55, 4), "Skylake-SP"),  # Platinum 8180
        ("GenuineIntel", (6, 0x55, 7), "Cascade Lake"),  # Platinum 8280
        ("GenuineIntel", (6, 0x55, 11), "Cooper Lake"),  # Platinum 8380H
        ("GenuineIntel", (6, 0x6A, 6), "Ice Lake-SP"),  # Platinum 8380
        ("GenuineIntel", (6, 0x8F, 8), "Sapphire Rapids"),  # Platinum 8480+
        ("GenuineIntel", (6, 0xCF, 2), "Emerald Rapids"),  # Platinum 8592+
        ("GenuineIntel", (6, 0xAD, 1), "Granite Rapids"),  # 6980P
        ("GenuineIntel", (6, 0xAF, 3), "Sierra Forest"),  # 6780E
        ("GenuineIntel", (6, 0x55, 9), None),  # no such stepping
        ("GenuineIntel", (6, 0xFE, 0), None),
        ("AuthenticAMD", (0x17, 0x01, 2), "Zen 1"),  # EPYC 7601
        ("AuthenticAMD", (0x17, 0x31, 0), "Zen 2"),  # EPYC 7742
        ("AuthenticAMD", (0x19, 0x01, 1), "Zen 3"),  # EPYC 7763
        ("AuthenticAMD", (0x19, 0x11, 1), "Zen 4"),  # EPYC 9654
        ("AuthenticAMD", (0x1A, 0x02, 1), "Zen 5"),  # EPYC 9755
        ("AuthenticAMD", (0x16, 0x01, 1), None),
        (None, (None, None, None), None),
    ],
)
def test_generation_by_the_numbers_of_sold_parts(vendor, numbers, name):
    assert generation(vendor, *numbers) == name


AVX512 = ("avx2", "avx512f", "avx512_vnni")
AMX = (*AVX512, "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16")


@pytest.mark.parametrize(
    ("vendor", "numbers", "isa", "name"),
    [
        # As a hypervisor showed it: the number of Rocket Lake, which has AVX-512 VNNI and neither BF16 nor AMX.
        ("GenuineIntel", (6, 0xA7, 1), AMX, "Sapphire Rapids or later"),
        ("GenuineIntel", (6, 0xA7, 1), AVX512, "Rocket Lake"),
        ("GenuineIntel", (6, 0x55, 4), AVX512, "Cascade Lake or later"),
        ("GenuineIntel", (6, 0x55, 4), AVX512[:2], "Skylake-SP"),
        ("GenuineIntel", (6, 0x4F, 1), AVX512[:2], "Skylake-SP or later"),
        ("GenuineIntel", (6, 0x6A, 6), (*AVX512, "avx512_bf16"), "Cooper Lake or later"),
        ("GenuineIntel", (6, 0x97, 2), AMX[:5], "Alder Lake"),
        ("GenuineIntel", (6, 0xAD, 1), AMX, "Granite Rapids"),
        ("GenuineIntel", (6, 0xFE, 0), AMX, None),  # numbers that no table has say nothing that could be wrong
        ("AuthenticAMD", (0x19, 0x01, 1), AVX512, "Zen 4 or later"),
        ("AuthenticAMD", (0x19, 0x11, 1), AVX512, "Zen 4"),
    ],
)
def test_numbers_that_the_instructions_contradict_are_not_believed(vendor, numbers, isa, name):
    assert generation(vendor, *numbers, isa) == name


def test_a_xeon_is_known_by_its_name_or_by_a_server_model():
    assert is_xeon("GenuineIntel", "Intel Xeon Processor (Cascadelake)", 6, 0x55)
    assert is_xeon("GenuineIntel", "Virtual CPU", 6, 0x8F)
    assert is_xeon("GenuineIntel", "Intel(R) Xeon(R) E-2388G", 6, 0xA7)
    assert not is_xeon("GenuineIntel", "Intel(R) Core(TM) i9-10900", 6, 0xA5)
    assert not is_xeon("AuthenticAMD", "AMD EPYC", 0x19, 0x11)


def test_two_sockets_with_smt(tmp_path: Path):
    host = describe(two_sockets(tmp_path))
    assert (host.generation, host.xeon, host.microcode) == ("Ice Lake-SP", True, "0xd0003b9")
    assert host.isa == ("avx2", "avx512f", "avx512_vnni")
    assert (host.sockets, host.physical_cores, host.logical_cpus, host.threads_per_core) == (2, 4, 8, 2)
    assert host.cores == ((0, 4), (1, 5), (2, 6), (3, 7))
    assert host.caches == (Cache(1, "data", 48 * 2**10, 2, 4), Cache(3, "unified", 60 * 2**20, 4, 2))
    assert [(node.cpus, node.memory_bytes) for node in host.numa] == [((0, 1, 4, 5), 2**25), ((2, 3, 6, 7), 2**25)]
    assert (host.governor, host.scaling_driver, host.turbo) == ("powersave", "intel_pstate", True)
    assert (host.virtual, host.hypervisor, host.transparent_huge_pages) == (False, None, "madvise")
    assert host.core_sockets == (0, 0, 1, 1)
    assert (host.core_kinds, host.isolated, host.memory_nodes) == ((), (), ())


def test_one_allowed_cpu_for_each_physical_core(tmp_path: Path):
    root = two_sockets(tmp_path)
    write(root, {"proc/self/status": "Cpus_allowed_list:\t1,4-6\n"})
    # CPU 4 is the sibling of 0, which is not allowed; 1 and 5 are one core.
    assert place(HostConfig(name="x", whole=True), describe(root)).cores == (1, 4, 6)


def test_what_is_not_readable_is_none_and_never_an_error(tmp_path: Path):
    host = describe(tmp_path)
    assert (host.model_name, host.generation, host.governor, host.turbo) == (None, None, None, None)
    assert (host.caches, host.numa, host.isa) == ((), (), ())
    assert len(fingerprint(host)) == 12


def test_what_is_no_regular_file_or_without_end_is_not_read(tmp_path: Path):
    root = two_sockets(tmp_path)
    for name, target in (("proc/cpuinfo", "/dev/zero"), ("proc/meminfo", None)):
        (root / name).unlink()
        (root / name).symlink_to(target) if target else os.mkfifo(root / name)
    with (root / "proc/sys/kernel/osrelease").open("wb") as stream:
        stream.truncate(2**40)
    found = describe(root)
    assert (found.model_name, found.memory_total_bytes, found.kernel) == (None, 0, None)


def test_without_a_topology_the_cores_are_those_of_cpuinfo(tmp_path: Path):
    places = [("0", "0"), ("0", "1"), ("0", "0"), ("0", "1")]
    blocks = [
        f"processor\t: {number}\nphysical id\t: {socket}\ncore id\t\t: {core}"
        for number, (socket, core) in enumerate(places)
    ]
    host = describe(write(tmp_path, {"proc/cpuinfo": "\n\n".join(blocks)}))
    assert host.cores == ((0, 2), (1, 3))


@pytest.mark.parametrize("name", ["76ffc8bdd111", "c7e3aaa6c238"])
def test_a_stored_host_is_read_and_has_its_fingerprint_still(name):
    stored = json.loads((Path(__file__).parents[2] / "results" / "hosts" / f"{name}.json").read_text())
    host = from_dict(stored["host"])
    assert fingerprint(host) == name
    assert host.core_sockets == (0, 0)
    assert place(HostConfig(name="x"), host).cores == (0, 1)


def test_a_description_is_the_same_host_when_it_is_read_back(tmp_path: Path):
    host = describe(two_sockets(tmp_path))
    assert from_dict(json.loads(json.dumps(dataclasses.asdict(host)))) == host


def test_kinds_of_cores_are_read_from_their_counters_or_their_capacities(tmp_path: Path):
    root = two_sockets(tmp_path)
    cpu = "sys/devices/system/cpu/cpu{}/cpu_capacity"
    write(root, {cpu.format(number): "1024" if number % 4 < 2 else "1009" for number in range(8)})
    assert describe(root).core_kinds == ()
    write(root, {cpu.format(number): "512" for number in (3, 7)})
    assert describe(root).core_kinds == (PERFORMANCE,) * 3 + (EFFICIENT,)
    write(root, {"sys/devices/cpu_core/cpus": "0-1,4-5\n", "sys/devices/cpu_atom/cpus": "2-3,6-7\n"})
    assert describe(root).core_kinds == (PERFORMANCE,) * 2 + (EFFICIENT,) * 2


def test_sockets_that_are_not_told_are_none(tmp_path: Path):
    root = two_sockets(tmp_path)
    write(root, {"sys/devices/system/cpu/cpu1/topology/physical_package_id": "-1\n"})
    assert describe(root).core_sockets == ()


def test_a_hypervisor_is_named_by_the_machine(tmp_path: Path):
    root = two_sockets(tmp_path, {**ICE_LAKE, "flags": "avx2 hypervisor"})
    write(root, {"sys/class/dmi/id/sys_vendor": "Amazon EC2\n", "sys/class/dmi/id/product_name": "m6i.large\n"})
    host = describe(root)
    assert (host.virtual, host.hypervisor) == (True, "Amazon EC2 m6i.large")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("microcode", "0xd0003d1"),
        ("stepping", 7),
        ("model_name", "another"),
        ("isa", ("avx2",)),
        ("caches", ()),
        ("numa", ()),
        ("cores", ((0,), (1,))),
    ],
)
def test_the_fingerprint_changes_with_what_matters(tmp_path: Path, field, value):
    host = describe(two_sockets(tmp_path))
    assert fingerprint(dataclasses.replace(host, **{field: value})) != fingerprint(host)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("kernel", "7.0"), ("memory_total_bytes", 1), ("governor", "performance"), ("affinity", (0,))],
        *[("turbo", False), ("core_sockets", (0, 0, 0, 0)), ("core_kinds", (EFFICIENT,)), ("isolated", (1,))],
        ("memory_nodes", (0,)),
    ],
)
def test_the_fingerprint_does_not_change_with_load_or_kernel(tmp_path: Path, field, value):
    host = describe(two_sockets(tmp_path))
    assert fingerprint(dataclasses.replace(host, **{field: value})) == fingerprint(host)


def test_cgroup_2_takes_the_least_limit_up_to_the_root(tmp_path: Path):
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/slice/job\n",
            "sys/fs/cgroup/slice/job/cpu.max": "max 100000\n",
            "sys/fs/cgroup/slice/job/memory.max": "8589934592\n",
            "sys/fs/cgroup/slice/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/slice/memory.max": "4294967296\n",
        },
    )
    assert (limits(tmp_path).cpus, limits(tmp_path).memory_bytes) == (1.5, 4 * 2**30)


def test_cgroup_2_in_a_container_that_names_the_hosts_group(tmp_path: Path):
    files = {"proc/self/cgroup": "0::/../../elsewhere\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}
    assert limits(write(tmp_path, files)).cpus == 2


def test_cgroup_1_with_its_own_no_limit(tmp_path: Path):
    write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/box\n2:cpu,cpuacct:/box\n",
            "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    assert (limits(tmp_path).cpus, limits(tmp_path).memory_bytes) == (0.5, None)


def test_memory_is_the_hosts_or_what_the_control_group_allows(tmp_path: Path):
    host = describe(two_sockets(tmp_path))
    assert memory_bytes(host) == 2**26
    assert memory_bytes(dataclasses.replace(host, cgroup_memory_bytes=2**20)) == 2**20
    assert memory_bytes(dataclasses.replace(host, cgroup_memory_bytes=2**40)) == 2**26


@given(st.sets(st.integers(0, 300)))
def test_a_kernel_list_and_its_numbers_are_inverse(numbers):
    assert cpu_list(ranges(sorted(numbers))) == tuple(sorted(numbers))
