"""What stands above the table of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.config.emulation import is_timed
from harness.publish.common import conditions
from harness.publish.common.recorded import Planned, Record, baseline_of, index, planned


@dataclass(frozen=True)
class Heading:
    """What stands above a table: which run, of which suite, where, with how many blocks, compared with what.

    `sources` are lines on the data and models that it was measured with, which stand below the table; `conditions` is
    one on threads, cores, how threads wait, pages, and what was timed interleaved.
    """

    run: str
    suite: str
    host: str
    blocks: str
    baseline: str
    sources: tuple[str, ...] = ()
    conditions: str = ""


def heading(records: Iterable[Record], host: str | None = None) -> Heading:
    """Return what stands above the table of a run; `host` is a line on the machine, else its fingerprint is shown."""
    run = index(records)
    cells = planned(run.header)
    wanted = sorted({cell.configs["protocol"]["blocks"] for cell in cells if is_timed(cell.configs["host"])})
    measured = [len(run.invocations[cell.digest]) for cell in cells]
    blocks = " or ".join(map(str, wanted)) or "0"
    done = f"{sum(measured)} invocations in {blocks} block{'' if blocks == '1' else 's'}"
    more = [cell for cell, count in zip(cells, measured, strict=True) if count > cell.configs["protocol"]["blocks"]]
    if any(cell.configs["protocol"].get("target_half_width") is not None for cell in more):
        done += " and more where speed-ups were known least"
    # The baseline is measured in each interleaved group, and so more often.
    elif any(baseline_of(run.header, cell, cells) is not cell for cell in more):
        done += " and more in the place of disturbed ones"
    suite = run.header["suite"]
    return Heading(
        run=run.header["run"],
        suite=f"{suite['name']} v{suite['version']}",
        host=host or f"host {run.header['host']}",
        blocks=done,
        baseline=", ".join(f"{axis}={label}" for axis, label in run.header["baseline"].items()),
        # Tables of older runs stay what they are, byte for byte.
        sources=tuple(sources(cells)) if any(map(_tells_its_placement, run.invocations.values())) else (),
        conditions=conditions.line(run, cells),
    )


def sources(cells: Iterable[Planned]) -> Iterator[str]:
    """Yield a line on each data set and model of a run: its name, its licence and whom to cite.

    A data set or model that is read from a place of one's own may have neither: then that is said.
    """
    for word, axis in (("data", "task"), ("model", "model")):
        configs = {cell.labels[axis].split("[")[0]: cell.configs[axis]["source"] for cell in cells}
        for name, source in configs.items():
            if not any(source.get(way) for way in ("package", "hub_id", "path")):
                continue  # a model that is built here
            licence = source.get("licence") or "licence not stated"
            cite = source.get("cite")
            yield f"{word}: {name} ({licence}{f'; cite {cite}' if cite else ''})"


def _tells_its_placement(invocations: Mapping[int, Record]) -> bool:
    return any("placement" in one for one in invocations.values())
