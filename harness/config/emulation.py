"""Another CPU for a cell's own stages, shown to their processes by QEMU's user mode: its kernels and its accuracy.

Every runtime obeys, also those without a variable of their own: a process sees the emulated CPU's flags, and dies by an
illegal instruction where it uses others. QEMU translates each instruction into many, so no speed is measured.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from harness.config.cell import Cell
from harness.config.instructions import EMULATED
from harness.config.schema import HostConfig

#: The program, and the first version that emulates AVX2.
QEMU = "qemu-x86_64"
LEAST_VERSION = (7, 2)

#: Set in an emulated process: the words before a program that is to run on the same CPU.
VARIABLE = "HARNESS_EMULATOR"

#: How many times longer than natively a stage may take. FP32 products take up to a hundred times as long, but no
#: protocol's limit is as short as what they take natively.
TIME_FACTOR = 20


def is_timed(host: HostConfig | Mapping[str, Any]) -> bool:
    """Say whether a cell with this host option (or its recorded values) has a speed: an emulated CPU has none."""
    emulated = host.get("emulated") if isinstance(host, Mapping) else host.emulated
    return emulated is None


def prefix(host: HostConfig) -> tuple[str, ...]:
    """Return the words before a python that runs on the host's emulated CPU; none without one."""
    # check=off: silent about what no program in user mode could use, such as transactional memory.
    return () if host.emulated is None else (QEMU, "-cpu", f"{host.emulated},check=off")


def variables(host: HostConfig) -> dict[str, str]:
    """Return the environment variables of an emulated process; none without an emulated CPU."""
    if host.emulated is None:
        return {}
    # Compilers that a stage starts run natively, and must not compile for this host.
    return {VARIABLE: shlex.join(prefix(host)), "TORCHINDUCTOR_CPP_MARCH": EMULATED[host.emulated].march}


def like_this_process(command: Sequence[str]) -> list[str]:
    """Return `command` so that it runs on the CPU that this process runs on: QEMU does not follow what it starts."""
    return [*shlex.split(os.environ.get(VARIABLE, "")), *command]


def patience(seconds: float, emulated: bool | None = None) -> float:
    """Return how long to wait for what may take `seconds` natively; `emulated` is None for "as this process is"."""
    return seconds * TIME_FACTOR if (VARIABLE in os.environ if emulated is None else emulated) else seconds


def misfit(cell: Cell) -> str | None:
    """Return one line on why a cell's emulated CPU cannot be had here, or None."""
    if cell.host.emulated is None:
        return None
    because = missing()
    if because is None and cell.tuner.name != "none":
        because = "a tuner ranks by latency, which no emulated CPU has; want tuner=none"
    # QEMU keeps the limit that a process sets for itself from the kernel, and under one from outside it spins for ever
    # as soon as it finds no memory for its own tables.
    if because is None and cell.protocol.memory_limit_bytes is not None:
        because = "QEMU cannot keep to a protocol.memory_limit_bytes; want none"
    return None if because is None else f"host.emulated={cell.host.emulated}: {because}"


def missing() -> str | None:
    """Return one line on what to install before a CPU can be emulated, or None."""
    found = version()
    least = ".".join(map(str, LEAST_VERSION))
    wanted = f"install QEMU's user mode, {least} or newer (Debian: apt-get install qemu-user)"
    if found is None:
        return f"no {QEMU} on the PATH; {wanted}"
    if tuple(int(part) for part in found.split(".")[:2]) < LEAST_VERSION:
        return f"{QEMU} {found} emulates no AVX2; {wanted}"
    return None


def version() -> str | None:
    """Return the version of the QEMU on the PATH, such as 7.2.22; None without one."""
    program = shutil.which(QEMU)
    return None if program is None else _version(program)


@functools.cache
def _version(program: str) -> str | None:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"version (\d+\.\d+(?:\.\d+)?)", told)
    return None if found is None else found[1]


def identity(host: HostConfig) -> dict[str, str | None]:
    """Return what of the emulation can change an artefact or its accuracy; nothing without an emulated CPU."""
    return {} if host.emulated is None else {"emulated": host.emulated, "qemu": version()}
