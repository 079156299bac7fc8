"""Runs of the tiny project that something befalls, and what must hold of their records and tables whatever it was."""

from __future__ import annotations

import contextlib
import csv
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from harness.results import store
from tests.backend_env import program_text
from tests.whole.tiny import command, variables

#: Of a run's table: what no clock and no neighbour decides, so that two runs of one plan must agree on it.
LASTING = (
    *("model", "task", "approach", "backend", "tuner"),
    *("host", "protocol", "metric", "value", "value_low", "value_high"),
    *("rows", "beats_constant", "baseline", "difference", "difference_low", "difference_high", "agreement", "broken"),
    *("fixed", "mcnemar_p", "criterion", "confidence"),
    *("latency_batch", "sequence_length", "throughput_batch", "size_mb"),
    *("int8_ops", "bf16_ops", "fp32_ops", "ops_source", "threads", "cores", "artefact"),
    *("environment", "environment_lock", "cell_key", "cell_digest", "int8_share", "placement"),
)  # fmt: skip

#: Runs the harness under a clock of the wall that jumps years to and fro, as one does that is set by hand or by NTP.
_JUMPING = program_text(__file__, "faulty_runs_jumping")


@dataclass(frozen=True)
class Place:
    """A tiny project and the cache of its runs."""

    project: Path
    cache: Path

    def start(self, *words: str, file_bytes: int | None = None, jumping: bool = False) -> subprocess.Popen[str]:
        """Start a run of the tiny suite.

        Parameters
        ----------
        file_bytes : no file of it may grow beyond, as on a full disk.
        jumping : under a clock that jumps.
        """
        line = command(self.project, "run", "suite=tiny", *words)
        if jumping:
            line = [sys.executable, "-c", _JUMPING, *line[3:]]

        def limit() -> None:
            # Whoever runs tests in the background, or under nohup, has them ignore these.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            if file_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))

        return subprocess.Popen(
            line,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=variables(self.cache),
            preexec_fn=limit,
        )

    def finish(self, *words: str, **more: Any) -> tuple[int, str]:
        """Run to the end; return the exit status and all that was printed."""
        process = self.start(*words, **more)
        said, _ = process.communicate(timeout=900)
        return process.returncode, said

    def runs(self) -> list[Path]:
        """Return the files of the runs of the tiny suite, by their time on the disk."""
        return sorted(store.runs(self.project / "results"), key=lambda path: path.stat().st_ctime_ns)

    def table(self, run: Path) -> list[dict[str, str]]:
        """Return the rows of a run's table, without what timing decides."""
        with (self.project / "results" / store.TABLES / f"{run.stem}.csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert set(LASTING) <= set(rows[0]), set(LASTING) - set(rows[0])
        return [{name: row[name] for name in LASTING} for row in rows]


def children(parent: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the workers of a run that are there now."""
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in psutil.Process(parent.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if "harness.worker" in one.cmdline():
                    found.append(one)
    return found


def wait_for_children(parent: subprocess.Popen[str], count: int, seconds: float = 300) -> list[psutil.Process]:
    """Wait until so many workers are there together: those that are timed interleaved; none if the run ends before."""
    end = time.monotonic() + seconds
    while parent.poll() is None and time.monotonic() < end:
        if len(found := children(parent)) >= count:
            return found
        time.sleep(0.01)
    return []


def strike(parent: subprocess.Popen[str], number: signal.Signals, there: Sequence[psutil.Process]) -> None:
    """End a parent by a signal, and see that none of its children outlives it."""
    os.kill(parent.pid, number)
    parent.communicate(timeout=60)
    _, alive = psutil.wait_procs(there, timeout=20)
    assert not alive, f"{number.name}: children outlived their parent"
    assert parent.returncode in {signal.SIGINT: (130,)}.get(number, (-number,)), (number.name, parent.returncode)


def require_whole(run: Path) -> list[dict[str, Any]]:
    """Return the records of a run, each of which is complete and there once."""
    lines = store.read_run(run)
    assert run.read_bytes().endswith(b"\n")
    assert [line["type"] for line in lines].count("header") == 1
    once = Counter(
        (line["type"], line["cell_digest"], line.get("block"))
        for line in lines
        if line["type"] in ("prepared", "accuracy", "invocation")
    )
    assert set(once.values()) <= {1}, once
    return lines
