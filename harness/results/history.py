"""What all runs say of one cell on one machine, in the order of time.

A machine is a host without its microcode: an update of that makes another fingerprint, but goes on with the history.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from harness.errors import UserError, nearest
from harness.plan.cell import digest
from harness.plan.config import AXES
from harness.results import cells, store
from harness.results.record import Record

#: Facts of a host that tell it from another machine; see :func:`harness.execute.host.fingerprint`.
_MACHINE = ("vendor", "model_name", "family", "model", "stepping", "isa", "caches", "cores")

#: Fields of the header of a run that is not one of a series.
_ASIDE = ("comparison", "rerun_of")


@dataclass(frozen=True)
class Evaluation:
    """What an accuracy record says: equal `artefact` and `logits_sha256` are one file that gave the same bits."""

    artefact: str
    tokenised: str
    metric: str
    value: float
    greater_is_better: bool
    predictions: tuple[float, ...]
    references: tuple[float, ...]
    logits_sha256: str


@dataclass(frozen=True)
class Point:
    """One run of a cell: what it was measured with, and what came out.

    `locks` maps the environments that the cell needs, its backend's first, to the hashes of their locks. `latency_ns`
    is the median of each invocation's iterations, `rows_per_second` that of its throughput; `gemm_ns` and `stream_ns`
    are medians of the control. Invocations without a value are left out; `unsteady` counts those never flat.
    """

    run: str
    time: str
    suite: str
    host: str
    harness: Mapping[str, Any]
    locks: Mapping[str, str]
    configs: Mapping[str, Mapping[str, Any]]
    latency_ns: tuple[float, ...] = ()
    rows_per_second: tuple[float, ...] = ()
    gemm_ns: tuple[float, ...] = ()
    stream_ns: tuple[float, ...] = ()
    unsteady: int = 0
    evaluation: Evaluation | None = None


@dataclass(frozen=True)
class History:
    """The runs of one cell on one machine, the oldest first; `labels` are the cell's, one an axis."""

    key: str
    labels: tuple[str, ...]
    machine: str
    points: tuple[Point, ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The fingerprints of the machine, in the order of time."""
        return tuple(dict.fromkeys(point.host for point in self.points))


def histories(root: Path, wanted: str | None = None) -> tuple[list[History], list[str]]:
    """Return the history of each cell on each machine, and a line on each run that could not be read.

    A run stands in a history when it has evaluated the cell or measured it. The sides of a comparison and repeated
    records do not: they bring earlier states back, and are not the state of their day.

    Parameters
    ----------
    root : the folder of results.
    wanted : a cell's key, or some of its labels joined by ``/``; None for all cells.

    Raises
    ------
    UserError : there is no run, or no run has a cell so called.
    """
    found: dict[tuple[str, str], list[Point]] = {}
    labels: dict[str, tuple[str, ...]] = {}
    unread: list[str] = []
    known: set[str] = set()
    for path in reversed(store.runs(root)):
        try:
            lines = store.read_run(path)
        except UserError as error:
            unread.append(str(error))
            continue
        if any(name in lines[0] for name in _ASIDE):
            continue
        known |= {label for entry in lines[0]["cells"] for label in entry["labels"]}
        machine = machine_of(root, lines[0]["host"])
        for entry, point in _points(lines, wanted):
            labels.setdefault(entry["key"], tuple(entry["labels"]))
            found.setdefault((entry["key"], machine), []).append(point)
    if not found:
        _refuse(root, wanted, known)
    return [History(key, labels[key], machine, tuple(points)) for (key, machine), points in found.items()], unread


def machine_of(root: Path, fingerprint: str) -> str:
    """Return what identifies the machine of a fingerprint: the fingerprint itself where no host is stored for it."""
    host = store.read_host(root, fingerprint)
    if host is None or not set(_MACHINE) <= host.keys():
        return fingerprint
    nodes = [node.get("cpus") for node in host.get("numa", ())]
    return digest([[host[name] for name in _MACHINE], nodes], 12)


def _points(lines: Sequence[Record], wanted: str | None) -> Iterator[tuple[Mapping[str, Any], Point]]:
    header = lines[0]
    entries = header["cells"] if wanted is None else cells.meant(header["cells"], wanted)
    datasets = {line["tokenised"]: line for line in lines if line["type"] == "dataset"}
    by_cell: dict[str, list[Record]] = {}
    for line in lines:
        if line["type"] in ("accuracy", "invocation"):
            by_cell.setdefault(line["cell_digest"], []).append(line)
    for entry in entries:
        own = by_cell.get(entry["digest"], [])
        if own:
            yield entry, _point(header, entry, own, datasets)


def _point(header: Record, entry: Mapping[str, Any], own: Sequence[Record], datasets: Mapping[str, Record]) -> Point:
    configs = cells.configs(header, entry)
    needed = (configs["backend"]["environment"], configs["model"]["environment"])
    point = Point(
        run=header["run"],
        time=header["time"],
        suite=header["suite"]["name"],
        host=header["host"],
        harness=header["harness"],
        locks={name: header["environments"][name] for name in needed if name in header["environments"]},
        configs={axis: configs[axis] for axis in AXES},
    )
    measured = [line for line in own if line["type"] == "invocation"]
    accuracy = next((line for line in reversed(own) if line["type"] == "accuracy"), None)
    return dataclasses.replace(
        point,
        latency_ns=tuple(_medians(measured, "latency")),
        rows_per_second=tuple(_rates(measured)),
        gemm_ns=tuple(_controls(measured, "gemm_ns")),
        stream_ns=tuple(_controls(measured, "stream_ns")),
        unsteady=sum(any(not series["steady"] for series in line["series"]) for line in measured),
        evaluation=None if accuracy is None else _evaluation(accuracy, datasets),
    )


def _medians(measured: Sequence[Record], role: str) -> Iterator[float]:
    for series in _series(measured, role):
        yield float(statistics.median(series["latency_ns"]))


def _rates(measured: Sequence[Record]) -> Iterator[float]:
    for series in _series(measured, "throughput"):
        yield series["batch_size"] / (statistics.median(series["latency_ns"]) * 1e-9)


def _series(measured: Sequence[Record], role: str) -> Iterator[Mapping[str, Any]]:
    return filter(None, (cells.series(line, role) for line in measured))


def _controls(measured: Sequence[Record], name: str) -> Iterator[float]:
    for line in measured:
        if line["control"].get(name):
            yield float(statistics.median(line["control"][name]))


def _evaluation(accuracy: Record, datasets: Mapping[str, Record]) -> Evaluation:
    dataset = datasets.get(accuracy["tokenised"])
    return Evaluation(
        artefact=accuracy["artefact"],
        tokenised=accuracy["tokenised"],
        metric=accuracy["metric"]["name"],
        value=accuracy["metric"]["value"],
        greater_is_better=accuracy["metric"]["greater_is_better"],
        predictions=tuple(accuracy["predictions"]),
        references=tuple(dataset["references"][: accuracy["rows"]]) if dataset else (),
        logits_sha256=accuracy["logits_sha256"],
    )


def _refuse(root: Path, wanted: str | None, known: set[str]) -> NoReturn:
    if not known:
        store.find_run(root)
    if wanted is None:
        raise UserError(f"{root / store.RUNS}: no run has evaluated or measured any cell")
    strange = next((word for word in wanted.split("/") if word not in known), None)
    hint = (
        "; no one cell has these labels in this order" if strange is None else f": '{strange}'{nearest(strange, known)}"
    )
    raise UserError(f"{root / store.RUNS}: no run has evaluated or measured a cell '{wanted}'{hint}")
