"""Memory is bound before a framework starts, and where it lies is read from the kernel and not from the wish."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from typing import ClassVar

import pytest

from harness.worker.timing import amx, memory
from tests.backend_env import program_text
from tests.execute.process.stand_ins import entry, run

#: Lines of a process of two nodes: heap, a stack, a buffer on huge pages, hugetlb pages, code, and a private copy.
MAPS = """\
55e0c8a00000 bind:0 heap anon=10 dirty=10 N0=9 N1=1 kernelpagesize_kB=4
7ffc3a000000 bind:0 stack anon=2 dirty=2 N0=2 kernelpagesize_kB=4
7f1000000000 bind:0 anon=512 dirty=512 N0=512 kernelpagesize_kB=4
7f2000000000 bind:0 huge anon=1 dirty=1 N1=1 kernelpagesize_kB=2048
7f3000000000 bind:0 file=/usr/lib/libtorch_cpu.so mapped=300 N0=100 N1=200 kernelpagesize_kB=4
7f4000000000 bind:0 file=/usr/lib/libtorch_cpu.so anon=4 dirty=4 N0=4 kernelpagesize_kB=4
7f5000000000 bind:0
"""


def test_shares_are_of_resident_bytes_and_files_stand_apart():
    found = memory.shares(MAPS.splitlines(), [0])
    near = 4 * (9 + 2 + 512 + 4)
    assert found["anonymous_share"] == pytest.approx(near / (near + 4 * 1 + 2048))
    assert found["file_share"] == pytest.approx(1 / 3)
    assert memory.shares(MAPS.splitlines(), [0, 1]) == {"anonymous_share": 1.0, "file_share": 1.0}
    assert memory.shares([], [0]) == {"anonymous_share": None, "file_share": None}


def test_what_cannot_be_read_is_not_claimed(tmp_path: Path):
    spec = {"nodes": [1], "memory_nodes": [1], "bind_error": "EPERM", "amx_permission": "granted"}
    assert memory.placed(spec, tmp_path) == {
        **{"nodes": [1], "memory_nodes": [1], "bound": False, "bind_error": "EPERM"},
        **{"anonymous_share": None, "file_share": None, "amx": "granted"},
    }
    assert memory.placed({**spec, "bind_error": None}, tmp_path)["bound"] is True
    # A host without nodes, and a parent that names none, bind nothing.
    assert memory.placed({}, tmp_path)["bound"] is False


class _Refusing:
    """A C library whose kernel refuses every call."""

    calls: ClassVar[list] = []

    def __init__(self, number: int):
        self._number = number

    def syscall(self, *arguments: object) -> int:
        self.calls.append(arguments[:2])
        ctypes.set_errno(self._number)
        return -1


@pytest.mark.parametrize(("number", "name"), [(errno.EPERM, "EPERM"), (errno.ENOSYS, "ENOSYS"), (9999, "9999")])
def test_a_kernel_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch, number: int, name: str):
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: _Refusing(number))
    assert memory.bind([0]) == name
    assert amx.ask() == f"refused ({name})"
    assert _Refusing.calls[-2:] == [(238, 2), (158, 0x1023)]


_STAGE = program_text(__file__, "memory_stage")


def test_the_entry_binds_before_the_stage_and_the_stage_sees_its_pages_there(tmp_path: Path):
    # Node 0 of a host that tells nodes is there and has memory wherever these tests run.
    assert Path("/sys/devices/system/node/node0").is_dir()
    outcome = run(entry(tmp_path, _STAGE), tmp_path, nodes=[0], memory_nodes=[0])
    assert outcome.status == "ok", outcome
    found, policy = outcome.values["placed"], outcome.values["policy"]
    assert (found["nodes"], found["memory_nodes"], found["amx"]) == ([0], [0], None)
    assert found["bound"] is (found["bind_error"] is None)
    # As the kernel itself tells it: get_mempolicy(2), mode MPOL_BIND, node 0.
    assert (policy == [0, 2, 1]) is found["bound"]
    assert (found["anonymous_share"] is not None) is os.access("/proc/self/numa_maps", os.R_OK)


def test_a_node_that_is_not_there_is_told_and_ends_nothing(tmp_path: Path):
    outcome = run(entry(tmp_path, _STAGE), tmp_path, nodes=[0], memory_nodes=[900])
    assert outcome.status == "ok", outcome
    assert outcome.values["placed"]["bound"] is False
    assert outcome.values["placed"]["bind_error"] is not None
    assert outcome.values["policy"][1] == 0


def test_tiles_are_asked_for_only_where_the_host_has_them(tmp_path: Path):
    flags = Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split()
    outcome = run(entry(tmp_path, _STAGE), tmp_path, amx=True)
    assert (outcome.values["placed"]["amx"] == "granted") is ("amx_tile" in flags)
    assert run(entry(tmp_path, _STAGE), tmp_path, amx=False).values["placed"]["amx"] is None
