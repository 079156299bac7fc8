"""Programs in the place of an environment's python: some misbehave, some run the real entry on a test's own stage."""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from harness.config.cell import Cell
from harness.config.schema import (
    ApproachConfig,
    BackendConfig,
    HostConfig,
    ModelConfig,
    ProtocolConfig,
    TaskConfig,
    TunerConfig,
)
from harness.execute.process.launch import Outcome, launch
from harness.host.describe import Host, describe

_CHILD = """#!{python}
import json, os, signal, subprocess, sys, time
descriptor = int(sys.argv[3])

def send(text):
    os.write(descriptor, text if isinstance(text, bytes) else text.encode())

def result(**values):
    send(json.dumps({{"event": "result", "values": values}}) + "\\n")

def grandchild():
    return subprocess.Popen(["sleep", "600"], pass_fds=(descriptor,)).pid

{body}
"""

_ENTRY = """
import sys, types
stage = types.ModuleType("harness.worker.stages.measure")
exec(compile({body!r}, "stage.py", "exec"), stage.__dict__)
sys.modules["harness.worker.stages.measure"] = stage
from harness.worker.__main__ import main
sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
"""


def program(folder: Path, body: str) -> Path:
    """Return an executable that takes the place of a python and does what `body` says, whatever it is asked to run."""
    path = folder / "stand-in"
    path.write_text(_CHILD.format(python=sys.executable, body=body))
    path.chmod(0o755)
    return path


def entry(folder: Path, body: str, python: Path = Path(sys.executable)) -> Path:
    """Return an executable that runs the real entry of children, with `body` as the module of the stage `measure`."""
    module = folder / "entry.py"
    module.write_text(_ENTRY.format(body=body))
    path = folder / "stand-in"
    path.write_text(f'#!/bin/sh\nexec {shlex.quote(str(python))} {shlex.quote(str(module))} "$3" "$4"\n')
    path.chmod(0o755)
    return path


def cell() -> Cell:
    """Return some cell."""
    return Cell(
        key="some/cell",
        digest="0123456789abcdef",
        model=ModelConfig(name="m"),
        task=TaskConfig(name="t"),
        approach=ApproachConfig(name="a"),
        backend=BackendConfig(name="b", environment="e"),
        tuner=TunerConfig(name="none"),
        host=HostConfig(name="native"),
        protocol=ProtocolConfig(name="p"),
        labels=("m", "t", "a", "b", "none", "native", "p"),
    )


def this_host(cores: Sequence[int]) -> Host:
    """Return this host with these cores allowed."""
    return dataclasses.replace(describe(), affinity=tuple(cores))


def spec(**fields: Any) -> dict[str, Any]:
    """Return a whole spec of a child, pinned to one core and limited to 2 GiB."""
    return {
        "stage": "measure",
        "cell": cell().to_dict(),
        "inputs": {},
        "out": None,
        "cores": [min(os.sched_getaffinity(0))],
        "threads": 1,
        "nodes": [],
        "memory_nodes": [],
        "amx": False,
        "memory_limit_bytes": 2 * 2**30,
        "seed": 0,
        "options": {},
        **fields,
    }


def run(python: Path, folder: Path, *, limit: float = 60, on_progress: Any = None, **fields: Any) -> Outcome:
    """Launch a stand-in on a spec with these fields."""
    return launch(
        python,
        spec(**fields),
        time_limit_seconds=limit,
        log_path=folder / "child.log",
        variables={"OMP_NUM_THREADS": "1"},
        on_message=on_progress,
    )


def is_gone(pid: int, seconds: float = 20) -> bool:
    """Say whether a process has ended; a signal that was sent to it may take its time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False
