"""The records of two runs, variant by variant: cells that both have, their invocations in pairs, their rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from harness.config.emulation import is_timed
from harness.errors import StageError
from harness.execute.environments import pins
from harness.publish.common.recorded import Recorded, index
from harness.results import cells, store
from harness.results.timings import cpu_ns, turn_medians
from harness.stats.decisions.changes import Subject
from harness.stats.decisions.verdict import cell_status, has_failed
from harness.stats.timings.disturbance import Invocation, foreign_share

Record = Mapping[str, Any]

#: Two invocations with more between them than this, such as an interruption, are no pair.
PAIR_GAP_SECONDS = 60.0


@dataclass
class Run(Recorded):
    """One variant's records, by what they are about."""

    @property
    def name(self) -> str:
        """The run's id."""
        return self.header["run"]


@dataclass(frozen=True)
class Cell:
    """A cell that both runs have: its key and labels in the first, and its digest and configs in each."""

    key: str
    labels: tuple[str, ...]
    digests: tuple[str, str]
    configs: Mapping[str, Mapping[str, Any]]
    other_configs: Mapping[str, Mapping[str, Any]]

    @property
    def both(self) -> tuple[Mapping[str, Mapping[str, Any]], Mapping[str, Mapping[str, Any]]]:
        """The configs in the first run, and in the second."""
        return self.configs, self.other_configs


def read(path: Path) -> Run:
    """Return a run's records by what they are about.

    Raises
    ------
    UserError : no such file, or a damaged one.
    """
    return Run(**vars(index(store.read_run(path))))


def failed_or_missing(run: Run, digest: str, configs: Mapping[str, Mapping[str, Any]]) -> tuple[str | None, str | None]:
    """Return why a cell has failed in one variant, and what of it was not measured there; None for nothing."""
    invocations, failures = run.invocations[digest], run.failures[digest]
    blocks = configs["protocol"]["blocks"] if is_timed(configs["host"]) else 0
    evaluated = digest in run.accuracy
    status = cell_status(
        failures=failures, evaluated=evaluated, invocations=len(invocations), blocks=blocks, steady={}, criterion=None
    )
    if status.name == "pending":
        done = f"{len(invocations)} of {blocks} blocks" if blocks else ""
        return None, ", ".join(filter(None, (done, "" if evaluated else "no accuracy")))
    return (f"{status.name}: {status.reason}" if has_failed(status.name) else None), None


def mode_of(one: Run, other: Run) -> str:
    """Return how two runs can be compared: interleaved, stored (of one host, one after the other) or hosts."""
    if one.header["host"] != other.header["host"]:
        return "hosts"
    mine, theirs = one.header.get("comparison"), other.header.get("comparison")
    if mine and theirs and mine["other"] == other.name and theirs["other"] == one.name:
        return "interleaved"
    return "stored"


def matched(one: Run, other: Run) -> tuple[list[Cell], tuple[str, ...]]:
    """Return the cells that both have, by key or else by all labels but the protocol's, and the keys of the others."""
    theirs = {entry["key"]: entry for entry in other.header["cells"]}
    short = defaultdict(list)
    for entry in other.header["cells"]:
        short[tuple(entry["labels"][:-1])].append(entry)
    found, rest = [], []
    for entry in one.header["cells"]:
        near = short[tuple(entry["labels"][:-1])]
        partner = theirs.get(entry["key"]) or (near[0] if len(near) == 1 else None)
        if partner is None:
            rest.append(entry["key"])
            continue
        digests = (entry["digest"], partner["digest"])
        configs = cells.configs(one.header, entry), cells.configs(other.header, partner)
        found.append(Cell(entry["key"], tuple(entry["labels"]), digests, *configs))
    taken = {cell.digests[1] for cell in found}
    rest += [entry["key"] for entry in other.header["cells"] if entry["digest"] not in taken]
    return found, tuple(rest)


def subject_of(cell: Cell, runs: Sequence[Recorded], role: str, root: Path, mode: str) -> Subject | None:
    """Return both variants' invocations of one series; None where a variant has none of the same shape."""
    variants = []
    for run, digest in zip(runs, cell.digests, strict=True):
        variants.append({block: line for block, line in run.invocations[digest].items() if cells.series(line, role)})
    shapes = [
        {
            (series["batch_size"], series["sequence_length"])
            for line in variant.values()
            if (series := cells.series(line, role))
        }
        for variant in variants
    ]
    if len(shapes[0]) != 1 or shapes[0] != shapes[1]:
        return None
    partners: Sequence[Mapping[int, Record]] = ({}, {})
    if mode == "interleaved":
        together = [
            block for block in variants[0] if block in variants[1] and _adjacent(variants[0][block], variants[1][block])
        ]
        variants = [{block: variant[block] for block in together} for variant in variants]
        partners = variants[::-1]
    one, other = (
        {block: _invocation(line, role, theirs.get(block)) for block, line in variant.items()}
        for variant, theirs in zip(variants, partners, strict=True)
    )
    environment = cell.configs["backend"]["environment"]
    return Subject(one, other, environment, _same_numpy(runs, environment, root), role)


def _adjacent(one: Record, other: Record) -> bool:
    """Say whether two invocations followed each other: an interruption may lie between the halves of a pair."""
    times = [(datetime.fromisoformat(line["time"]), line["wall_seconds"]) for line in (one, other)]
    (first, _), (second, seconds) = sorted(times)
    return (second - first).total_seconds() - seconds <= PAIR_GAP_SECONDS


def _invocation(line: Record, role: str, partner: Record | None) -> Invocation:
    control = line["control"]
    series = cells.series(line, role)
    assert series is not None
    before, after = line["system"]["before"], line["system"]["after"]
    partner_cpu_ns, turns = 0, turn_medians(series)
    if turns is not None and partner is not None:
        partner_cpu_ns = cpu_ns(partner)
    return Invocation(
        level_ns=float(median(series["latency_ns"])),
        gemm_ns=float(median(control["gemm_ns"])),
        stream_ns=float(median(control["stream_ns"])),
        foreign_share=foreign_share(before, after, len(line["cores"]), partner_cpu_ns),
        turns_ns=turns,
        ring=None if line.get("ring") is None else tuple(line["ring"]),
    )


def _same_numpy(runs: Sequence[Recorded], environment: str, root: Path) -> bool:
    """Say whether the control's products of both variants were made by the same NumPy."""
    hashes = [run.header["environments"].get(environment) for run in runs]
    if hashes[0] == hashes[1]:
        return True
    versions = [versions_of(root, environment, lock).get("numpy") for lock in hashes]
    return versions[0] is not None and versions[0] == versions[1]


def versions_of(root: Path, environment: str, lock: str | None) -> dict[str, str]:
    """Return package -> version of a stored lock; nothing where it is not stored, or is no lock."""
    try:
        return pins.versions(store.environment_file(root, environment, str(lock)))
    except StageError:
        return {}


def references_of(lines: Sequence[Record], runs: Sequence[Run]) -> Sequence[float] | None:
    """Return the true values of the rows that both variants were evaluated on; None where these are not the same."""
    there = [run.datasets.get(line["tokenised"]) for line, run in zip(lines, runs, strict=True)]
    datasets = [dataset for dataset in there if dataset is not None]
    if len(datasets) < len(there) or lines[0]["rows"] != lines[1]["rows"]:
        return None
    if datasets[0]["fingerprints"]["evaluation"] != datasets[1]["fingerprints"]["evaluation"]:
        return None
    references = [dataset["references"][: line["rows"]] for dataset, line in zip(datasets, lines, strict=True)]
    whole = all(len(references[0]) == len(line["predictions"]) for line in lines)
    return references[0] if references[0] == references[1] and whole else None
