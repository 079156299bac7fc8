"""The records of one run by what they are about, and its planned cells with their configs and baselines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.config.cell import find_baseline
from harness.config.schema import AXES
from harness.errors import UserError
from harness.results import disturbances
from harness.results.cells import GROUP, configs
from harness.stats.decisions import verdict

Record = Mapping[str, Any]


@dataclass
class Recorded:
    """The records of a run, by what they are about."""

    header: Record
    datasets: dict[str, Record] = field(default_factory=dict)
    prepared: dict[str, Record] = field(default_factory=dict)
    accuracy: dict[str, Record] = field(default_factory=dict)
    invocations: dict[str, dict[int, Record]] = field(default_factory=lambda: defaultdict(dict))
    failures: dict[str, list[verdict.Failed]] = field(default_factory=lambda: defaultdict(list))
    scenarios: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    failed_scenarios: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    trials: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    peaks: dict[tuple[int, ...], Record] = field(default_factory=dict)  # cores -> their fastest 8-bit product
    host: disturbances.HostStates = field(default_factory=disturbances.HostStates)


@dataclass(frozen=True)
class Planned:
    """A planned cell: its key and digest, and the label and the config of each axis."""

    key: str
    digest: str
    labels: dict[str, str]
    configs: Mapping[str, Mapping[str, Any]]

    @property
    def group(self) -> tuple[str, ...]:
        """The labels of the axes within which cells are compared."""
        return tuple(self.labels[axis] for axis in GROUP)


def index(records: Iterable[Record]) -> Recorded:
    """Return the records of one run by what they are about.

    Raises
    ------
    UserError : the first of them is no header.
    """
    run: Recorded | None = None
    for record in records:
        kind = record["type"]
        if kind == "header":
            run = run or Recorded(record)
        elif run is None:
            break
        elif kind == "dataset":
            run.datasets[record["tokenised"]] = record
        elif kind == "peak":
            run.peaks[tuple(record["cores"])] = record
        elif kind in ("prepared", "accuracy"):
            getattr(run, kind)[record["cell_digest"]] = record
        elif kind == "invocation":
            run.invocations[record["cell_digest"]][record["block"]] = record
        elif kind == "trial":
            run.trials[record["cell_digest"]].append(record)
        elif kind == "scenario":
            run.scenarios[record["cell_digest"]].append(record)
        elif kind == "failure" and "scenario" in record:
            # What was measured otherwise stands.
            run.failed_scenarios[record["cell_digest"]].append(record)
        elif kind == "failure":
            failed = verdict.Failed(record["kind"], record["message"], record["stage"], record["block"])
            run.failures[record["cell_digest"]].append(failed)
    if run is None:
        raise UserError("the records of a run begin with its header, and these do not; want a file of results/runs")
    every = [one for of_cell in run.invocations.values() for one in of_cell.values()]
    run.host = disturbances.of_run(run.header, every)
    return run


def failures_of(run: Recorded, cell: Planned) -> list[verdict.Failed]:
    """Return what of a cell has failed; also that it claims INT8 and ran none, which no record of its own tells."""
    failures = list(run.failures[cell.digest])
    if cell.digest in run.accuracy:
        executed = run.accuracy[cell.digest]["executed"]
        if cell.configs["approach"]["precision"] == "int8" and not executed["int8_ops"]:
            message = f"claims int8, but {executed['source']} saw no int8 operation"
            failures.append(verdict.Failed("no_int8_kernels", message, "evaluate"))
    return failures


def planned(header: Record) -> list[Planned]:
    """Return the cells that a run set out to measure, in its order."""
    return [
        Planned(entry["key"], entry["digest"], dict(zip(AXES, entry["labels"], strict=True)), configs(header, entry))
        for entry in header["cells"]
    ]


def baseline_of(header: Record, cell: Planned, cells: Sequence[Planned]) -> Planned | None:
    """Return the one cell of the group that the suite's baseline names, by label or else by the option's name."""
    wanted: Mapping[str, str] = header["baseline"]
    group = [one for one in cells if one.group == cell.group]
    return find_baseline(group, wanted, lambda one, axis: (one.labels[axis], one.configs[axis]["name"]))
