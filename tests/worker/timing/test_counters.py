"""Energy and events are counted where the host tells them, over wraps and shared counters, and never a false zero."""

from __future__ import annotations

import os
import struct

import pytest

from harness.worker.timing.counters import EVENTS, Counters, open_event


def host(root, packages, energy_uj, range_uj=262_143_328_850):
    """Write a tree of /sys with the packages of some CPUs (by CPU) and the energy that each package's zone shows."""
    for cpu, package in packages.items():
        place = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
        place.mkdir(parents=True, exist_ok=True)
        (place / "physical_package_id").write_text(f"{package}\n")
    for number, value in energy_uj.items():
        zone = root / f"sys/class/powercap/intel-rapl:{number}"
        zone.mkdir(parents=True, exist_ok=True)
        (zone / "name").write_text(f"package-{number}\n")
        (zone / "energy_uj").write_text(f"{value}\n")
        (zone / "max_energy_range_uj").write_text(f"{range_uj}\n")
    # A zone below a package, whose energy is within that of the package.
    core = root / "sys/class/powercap/intel-rapl:0:0"
    core.mkdir(parents=True, exist_ok=True)
    (core / "name").write_text("core\n")
    (core / "energy_uj").write_text("1\n")


def refused(kind, config):
    return None


def counted(root, cores, then, opener=refused):
    """Return what is counted while the energy becomes `then`."""
    total: dict[str, int | None] = {}
    with Counters(cores, root, opener) as counters, counters.counting(total):
        host(root, {}, then)
    return total


def test_the_energy_is_that_of_the_packages_of_the_cores(tmp_path):
    host(tmp_path, {0: 0, 1: 0, 2: 1}, {0: 100, 1: 1000})
    assert counted(tmp_path, [0, 1], {0: 160, 1: 5000})["energy_uj"] == 60
    assert counted(tmp_path, [0, 2], {0: 200, 1: 5005})["energy_uj"] == 40 + 5


def test_a_counter_that_begins_again_goes_on(tmp_path):
    host(tmp_path, {0: 0}, {0: 990}, range_uj=1000)
    total: dict[str, int | None] = {}
    with Counters([0], tmp_path, refused) as counters, counters.counting(total):
        host(tmp_path, {}, {0: 15}, range_uj=1000)
    assert total["energy_uj"] == 25


def test_bodies_add_up_and_what_lies_between_them_does_not_count(tmp_path):
    host(tmp_path, {0: 0}, {0: 0})
    total: dict[str, int | None] = {}
    with Counters([0], tmp_path, refused) as counters:
        for end in (10, 30):
            with counters.counting(total):
                host(tmp_path, {}, {0: end})
            host(tmp_path, {}, {0: end + 5})
    assert total["energy_uj"] == 10 + 15


@pytest.mark.parametrize("packages", [{0: 0, 1: 7}, {0: 0}])
def test_what_a_host_does_not_tell_is_empty_and_not_zero(tmp_path, packages):
    host(tmp_path, packages, {0: 100})
    assert counted(tmp_path, [0, 1], {0: 160}) == dict.fromkeys(("energy_uj", *EVENTS))


def test_an_unreadable_counter_is_empty(tmp_path):
    host(tmp_path, {0: 0}, {0: 100})
    (tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj").unlink()
    with Counters([0], tmp_path, refused) as counters:
        total: dict[str, int | None] = {}
        with counters.counting(total):
            pass
    assert total["energy_uj"] is None


class Events:
    """Stands for the kernel: each event is a file whose reading a test sets."""

    def __init__(self, folder):
        self.folder, self.descriptors = folder, {}

    def __call__(self, kind, config):
        path = self.folder / f"{kind}-{config}"
        path.write_bytes(b"")
        self.descriptors[kind, config] = os.open(path, os.O_RDONLY)
        return self.descriptors[kind, config]

    def show(self, which, value, enabled, running):
        (self.folder / f"{which[0]}-{which[1]}").write_bytes(struct.pack("=QQQ", value, enabled, running))
        os.lseek(self.descriptors[which], 0, os.SEEK_SET)


def test_an_event_that_shared_its_counter_is_brought_up_to_the_whole_time(tmp_path):
    events, total = Events(tmp_path), {}
    with Counters([], tmp_path, events) as counters:
        for which in EVENTS.values():
            events.show(which, 0, 100, 100)
        with counters.counting(total):
            events.show(EVENTS["instructions"], 500, 200, 100)
            events.show(EVENTS["cycles"], 70, 200, 200)
            events.show(EVENTS["cache_misses"], 0, 200, 0)
    assert (total["instructions"], total["cycles"]) == (1000, 70)
    # Never scheduled on a counter: nothing was counted, which is not the same as none.
    assert total["cache_misses"] is None


def test_an_event_that_no_kernel_has_is_refused():
    assert open_event(0, 10**6) is None
