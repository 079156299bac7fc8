"""Children on an emulated CPU, run for real: they end in every way that others do, and obey the same limits."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from harness.config import emulation
from harness.config.schema import HostConfig
from harness.execute.process.launch import Outcome, launch
from tests.backend_env import REPOSITORY
from tests.emulated import HASWELL, NEHALEM
from tests.execute.process.stand_ins import is_gone, spec

pytestmark = [pytest.mark.usefixtures("qemu"), pytest.mark.slow]

#: Imported by python itself at its start, it puts the test's own module in the place of the stage `measure`.
_SITE = """
import sys, types
stage = types.ModuleType("harness.worker.stages.measure")
exec(compile({body!r}, "stage.py", "exec"), stage.__dict__)
sys.modules["harness.worker.stages.measure"] = stage
"""

#: VPXOR of two 256-bit registers, which is of AVX2, and a return.
_AVX2 = """
import ctypes, mmap, os

def run(spec, cell, report):
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(bytes.fromhex("c5fdefc0c3"))
    ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
    return {"process": open("/proc/self/status").readline().split()[1], "cores": sorted(os.sched_getaffinity(0))}
"""


def stage_of(folder: Path, body: str) -> str:
    """Write `body` as the module of the stage `measure` and return the PYTHONPATH with which it is that."""
    (folder / "sitecustomize.py").write_text(_SITE.format(body=body))
    return os.pathsep.join((str(folder), str(REPOSITORY)))


def run(folder: Path, body: str, host: HostConfig = HASWELL, limit: float = 120, **fields: Any) -> Outcome:
    """Launch `body` as the stage `measure` on the emulated CPU of `host`, on a spec with these fields."""
    return launch(
        Path(sys.executable),
        spec(**fields),
        time_limit_seconds=limit,
        log_path=folder / "child.log",
        variables={"PYTHONPATH": stage_of(folder, body), **emulation.variables(host)},
        emulator=emulation.prefix(host),
    )


def test_avx2_runs_where_the_emulated_cpu_has_it(tmp_path):
    cores = sorted(os.sched_getaffinity(0))[-1:]
    outcome = run(tmp_path, _AVX2, cores=cores)
    assert (outcome.status, outcome.values) == ("ok", {"process": "qemu-x86_64", "cores": cores}), outcome
    assert outcome.max_rss_bytes > 2**20
    assert (tmp_path / "child.log").read_text() == ""


def test_a_cpu_without_avx2_ends_in_an_illegal_instruction(tmp_path):
    outcome = run(tmp_path, _AVX2, NEHALEM)
    assert (outcome.status, outcome.message.split(";")[0]) == ("crash", "died by SIGILL"), outcome
    assert "Illegal instruction" in outcome.log_tail


def test_the_time_limit_holds_and_nothing_is_left(tmp_path):
    body = f"""
        import os, pathlib
        def run(spec, cell, report):
            pathlib.Path({str(tmp_path / "pid")!r}).write_text(str(os.getpid()))
            while True:
                pass
    """
    outcome = run(tmp_path, textwrap.dedent(body), limit=8)
    assert outcome.status == "timeout", outcome
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_what_a_child_starts_by_its_words_is_emulated_too(tmp_path):
    body = """
        import subprocess, sys
        from harness.config import emulation
        def run(spec, cell, report):
            told = [sys.executable, "-c", "print(open('/proc/self/status').readline().split()[1])"]
            commands = told, emulation.like_this_process(told)
            return {"names": [subprocess.run(one, capture_output=True, text=True).stdout.strip() for one in commands],
                    "patience": emulation.patience(3)}
    """
    outcome = run(tmp_path, textwrap.dedent(body))
    names = outcome.values["names"]
    assert names[0].startswith("python") and names[1] == "qemu-x86_64", outcome
    assert outcome.values["patience"] == 3 * emulation.TIME_FACTOR


def test_a_child_dies_with_its_parent(tmp_path):
    waits = """
        import os, pathlib, time
        def run(spec, cell, report):
            pathlib.Path(spec["options"]["pid"]).write_text(str(os.getpid()))
            report.progress("measure", 0, 1, "waiting")
            time.sleep(600)
    """
    pid = tmp_path / "pid"
    source = f"""
import os, signal
from pathlib import Path
from tests.execute.process.test_emulated_child import run
# Told by the child itself that it is there; then as if the kernel had no memory for the parent.
import harness.execute.process.launch as launching
heard = launching.listen
def listen(reading, ended, end, on_message, until):
    return heard(reading, ended, end, lambda message: os.kill(os.getpid(), signal.SIGKILL), until)
launching.listen = listen
run(Path({str(tmp_path)!r}), {textwrap.dedent(waits)!r}, options={{"pid": {str(pid)!r}}})
"""
    parent = subprocess.run([sys.executable, "-c", source], cwd=REPOSITORY, timeout=120)
    assert parent.returncode == -9
    assert is_gone(int(pid.read_text()))
