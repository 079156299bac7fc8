"""Whole runs written into a folder, one after the other: known levels, hosts, locks, revisions and logits."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.host import describe as hosts
from harness.results import store
from tests.publish.sample_run import SampleRun

HERE = "9c2f9c2f9c2f"

#: Of the cell that changes, and of its baseline.
CELL = "minilm/sentiment/ptq_static/fx/none/native/quick"
BASELINE = "minilm/sentiment/fp32/eager/none/native/quick"


@dataclasses.dataclass(frozen=True)
class Day:
    """What one run is like: `factor` is the cell's latency over its usual 7 ms, `torch` the version that is pinned."""

    factor: float = 1.0
    torch: str = "2.13.0"
    revision: str | None = "0" * 40
    dirty: bool | None = False
    host: str = HERE
    logits: str = "a"
    wrong: frozenset[int] = frozenset(range(60))
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def lock_text(torch: str) -> str:
    """Return a lock that pins a version of torch."""
    return f"# Lock of the environment 'torch'.\nnumpy==1.26.4\ntorch=={torch}\n"


def lock_hash(torch: str) -> str:
    """Return what stands for the hash of that lock."""
    return hashlib.sha256(lock_text(torch).encode()).hexdigest()[:16]


def write_run(root: Path, number: int, day: Day, blocks: Sequence[float] = (0.99, 1.0, 1.005, 1.01)) -> str:
    """Write the run of day `number` with its locks, and return its id.

    Parameters
    ----------
    blocks : of each invocation, its latency over the day's.
    """
    run = SampleRun()
    baseline, cell = run.cell("fp32"), run.cell("ptq_static", "fx")
    run.measured(baseline, set(range(60)), [15.0 * block for block in blocks])
    run.measured(cell, set(day.wrong), [7.0 * day.factor * block for block in blocks])
    time = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=7 * number)
    name = f"{time:%Y%m%dT%H%M%SZ}-sample-{number:04x}"
    header, *lines = run.records()
    header |= {
        "run": name,
        "time": f"{time:%Y-%m-%dT%H:%M:%S}.000Z",
        "host": day.host,
        "environments": {"torch": lock_hash(day.torch)},
        "harness": {"version": "0.1.0", "revision": day.revision, "dirty": day.dirty},
        **day.extra,
    }
    for line in lines:
        if line["type"] == "accuracy" and line["cell"] == CELL:
            line["logits_sha256"] = hashlib.sha256(day.logits.encode()).hexdigest()
    store.save_environment(root, "torch", lock_hash(day.torch), lock_text(day.torch))
    with store.RunWriter.create(root, header) as writer:
        for line in lines:
            writer.append(line)
    return name


def write_days(root: Path, days: Sequence[Day]) -> list[str]:
    """Write one run a day and return their ids."""
    return [write_run(root, number, day) for number, day in enumerate(days)]


def save_host(root: Path, fingerprint: str, **changed: Any) -> None:
    """Store a host under a fingerprint: this one's facts, with some of your own."""
    store.save_host(root, fingerprint, dataclasses.asdict(hosts.describe()) | changed)
