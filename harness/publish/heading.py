"""What stands above the table of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.plan.emulation import is_timed
from harness.publish.recorded import Record, index, planned


@dataclass(frozen=True)
class Heading:
    """What stands above a table: which run, of which suite, where, with how many blocks, compared with what."""

    run: str
    suite: str
    host: str
    blocks: str
    baseline: str


def heading(records: Iterable[Record], host: str | None = None) -> Heading:
    """Return what stands above the table of a run; `host` is a line on the machine, else its fingerprint is shown."""
    run = index(records)
    cells = planned(run.header)
    wanted = sorted({cell.configs["protocol"]["blocks"] for cell in cells if is_timed(cell.configs["host"])})
    measured = [len(run.invocations[cell.digest]) for cell in cells]
    blocks = " or ".join(map(str, wanted)) or "0"
    done = f"{sum(measured)} invocations in {blocks} block{'' if blocks == '1' else 's'}"
    protocols = [cell.configs["protocol"] for cell in cells]
    if any(
        count > protocol["blocks"] and protocol.get("target_half_width") is not None
        for count, protocol in zip(measured, protocols, strict=True)
    ):
        done += " and more where speed-ups were known least"
    suite = run.header["suite"]
    return Heading(
        run=run.header["run"],
        suite=f"{suite['name']} v{suite['version']}",
        host=host or f"host {run.header['host']}",
        blocks=done,
        baseline=", ".join(f"{axis}={label}" for axis, label in run.header["baseline"].items()),
    )
