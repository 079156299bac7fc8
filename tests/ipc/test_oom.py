"""A kill for want of memory is told from any other by the kernel's own counts."""

from __future__ import annotations

import pytest

from harness.ipc.oom import Watch, is_oom_message

PLACES = ("proc/vmstat", "sys/fs/cgroup/memory.events", "sys/fs/cgroup/memory/memory.oom_control")


def _write(root, place, count):
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"oom_kill_disable 0\noom 9\noom_kill {count}\noom_group_kill 0\n")


@pytest.mark.parametrize("place", PLACES)
def test_a_count_that_grows_is_a_kill(tmp_path, place):
    _write(tmp_path, place, 3)
    watch = Watch(tmp_path)
    assert not watch.killed()
    _write(tmp_path, place, 4)
    assert watch.killed()


def test_without_any_count_it_cannot_be_ruled_out(tmp_path):
    assert Watch(tmp_path).killed()


def test_an_allocators_complaint_is_recognised():
    assert is_oom_message("terminate called after throwing an instance of 'std::bad_alloc'")
    assert is_oom_message(
        "RuntimeError: [enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you ..."
    )
    assert is_oom_message("ImportError: libtorch_cpu.so: failed to map segment from shared object")
    assert not is_oom_message(
        "ImportError: libtorch_cpu.so: failed to map segment from shared object: Operation not permitted"
    )
    assert not is_oom_message("ValueError: memory_limit_bytes")
