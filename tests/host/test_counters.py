from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness.errors import StageError
from harness.host.counters import last_level_cache_bytes, resident_bytes, snapshot
from harness.worker.timing import control_load


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_counters_of_this_process_grow_with_what_it_does():
    cores = sorted(os.sched_getaffinity(0))
    before = snapshot(cores)
    pages = bytearray(64 * 2**20)
    pages[::4096] = b"x" * len(pages[::4096])
    total = sum(range(10**6))
    after = snapshot(cores)
    assert total and after["minor_faults"] > before["minor_faults"]
    assert after["process_cpu_ns"] > before["process_cpu_ns"]
    assert after["monotonic_ns"] > before["monotonic_ns"]
    assert after["user_ticks"] >= before["user_ticks"]


def test_readings_of_this_host_are_those_of_psutil():
    reading = snapshot([0])
    assert reading["load_average"] is not None and len(reading["load_average"]) == 3
    times = psutil.cpu_times(percpu=True)[0]
    hertz = os.sysconf("SC_CLK_TCK")
    assert 0 <= times.idle - reading["idle_ticks"] / hertz < 5
    assert abs(resident_bytes() - psutil.Process().memory_info().rss) < 16 * 2**20


def test_only_the_pinned_cores_count(tmp_path: Path):
    own = "sys/devices/system/cpu/cpu"
    files = {
        "proc/stat": "cpu 9 9\ncpu0 1 2 3 4 5 6 7 8 0 0\ncpu1 10 20 30 40 50 60 70 80 0 0\ncpu2 1 1 1 1 1 1 1 1 0 0\n",
        "proc/self/smaps_rollup": "00400000-7ff [rollup]\nRss: 9000 kB\nAnonHugePages:    6144 kB\nSwap: 1 kB\n",
        "proc/loadavg": "0.50 1.00 2.00 1/2 3\n",
        "sys/class/hwmon/hwmon0/name": "nvme\n",
        "sys/class/hwmon/hwmon0/temp1_input": "99000\n",
        "sys/class/hwmon/hwmon1/name": "coretemp\n",
        "sys/class/hwmon/hwmon1/temp1_input": "41000\n",
        "sys/class/hwmon/hwmon1/temp2_input": "43500\n",
    }
    for core in range(3):
        files[f"{own}{core}/cpufreq/scaling_cur_freq"] = f"{2_000_000 + core}\n"
        files[f"{own}{core}/thermal_throttle/core_throttle_count"] = f"{core + 1}\n"
    reading = snapshot([0, 1], write(tmp_path, files))
    assert (reading["user_ticks"], reading["idle_ticks"], reading["steal_ticks"]) == (11, 44, 88)
    assert reading["load_average"] == [0.5, 1.0, 2.0]
    assert reading["frequency_khz"] == [2_000_000, 2_000_001]
    assert reading["temperature_celsius"] == 43.5
    assert reading["throttle_count"] == 3
    assert reading["huge_pages_bytes"] == 3 * 2**21


def test_frequency_falls_back_to_what_the_kernel_shows(tmp_path: Path):
    text = "".join(f"processor\t: {n}\nmodel name\t: x\ncpu MHz\t\t: {2500.5 + n}\n\n" for n in range(12))
    assert snapshot([1, 11], write(tmp_path, {"proc/cpuinfo": text}))["frequency_khz"] == [2_501_500, 2_511_500]


def test_what_is_not_readable_is_null(tmp_path: Path):
    reading = snapshot([0], tmp_path)
    assert reading["frequency_khz"] == [None]
    for name in ("load_average", "steal_ticks", "temperature_celsius", "throttle_count"):
        assert reading[name] is None


def test_the_largest_cache_is_the_last_level(tmp_path: Path):
    folder = "sys/devices/system/cpu/cpu0/cache/index"
    sizes = {f"{folder}0/size": "48K\n", f"{folder}2/size": "2048K\n", f"{folder}3/size": "60M\n"}
    assert last_level_cache_bytes(write(tmp_path, sizes)) == 60 * 2**20
    assert last_level_cache_bytes(tmp_path / "none") is None


@pytest.mark.slow
def test_the_control_repeats_and_its_stream_is_larger_than_the_cache():
    for threads in (1, 2):
        values = control_load.run(threads)
        assert control_load.FEWEST <= len(values["gemm_ns"]) <= control_load.MOST
        assert control_load.FEWEST <= len(values["stream_ns"]) <= control_load.MOST
        assert min(values["gemm_ns"] + values["stream_ns"]) > 0
        assert control_load.LARGEST_BUFFER_BYTES * 2 >= values["stream_bytes"] > (last_level_cache_bytes() or 0)


@pytest.mark.slow
def test_the_controls_buffers_are_not_in_the_peak_memory_of_the_process_that_asks():
    program = (
        "import json; from harness.worker.timing import control_load as control\n"
        "from harness.worker.__main__ import peak_bytes\n"
        "peaks = [peak_bytes()]\n"
        "told = control.run(2)\npeaks.append(peak_bytes())\n"
        "control.measured(2)\npeaks.append(peak_bytes())\n"
        "print(json.dumps([peaks, told['stream_bytes']]))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    (before, after, within), stream_bytes = json.loads(printed)
    assert after - before < 10 * 2**20
    assert within - after > 0.9 * stream_bytes  # what it would have been


def test_the_control_has_more_memory_than_the_cell_that_asks():
    """Within that little, NumPy's OpenBLAS waits for ever for its buffers."""
    program = (
        "import resource; from harness.worker.timing import control_load as control\n"
        "hard = resource.getrlimit(resource.RLIMIT_DATA)[1]\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (50_000_000, hard))\n"
        "control.run(2)\n"
        "print(resource.getrlimit(resource.RLIMIT_DATA) == (50_000_000, hard))"
    )
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout == "True\n"


def test_a_control_that_fails_is_an_error_with_its_last_line():
    with pytest.raises(StageError, match=r"the control's process ended with 1: ValueError: .*must be larger than 0"):
        control_load.run(0)


def test_the_stream_copies_every_byte(monkeypatch):
    import numpy as np

    copied: list[int] = []
    copyto = np.copyto
    monkeypatch.setattr(np, "copyto", lambda target, source: (copied.append(target.nbytes), copyto(target, source)))
    samples = control_load.stream_ns(1_000_003, 3)
    assert sum(copied) == 1_000_003 * (len(samples) + 1)
