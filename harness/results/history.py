"""What all runs say of one cell on one machine, in the order of time.

A machine is a host without its microcode: an update of that makes another fingerprint, but goes on with the history.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

from harness.config.cell import digest
from harness.config.schema import AXES
from harness.errors import UserError, nearest
from harness.results import cells, disturbances, relative, store
from harness.results.records.record import Record

#: Facts of a host that tell it from another machine; see :func:`harness.host.describe.fingerprint`.
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
    are medians of the control. Invocations without a value, or on a disturbed host, are left out. `latency_share` and
    `throughput_share` are the time of a pass over that of the baseline `beside`, paired in each block
    (:mod:`harness.results.relative`), and `beside_ns` the baseline's own latency; empty where none was measured. A
    baseline's own shares are made of its times over those of the `others`, key -> block -> quotient.
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
    latency_share: tuple[float, ...] = ()
    throughput_share: tuple[float, ...] = ()
    latency_others: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    throughput_others: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    beside: str = ""
    beside_ns: tuple[float, ...] = ()
    evaluation: Evaluation | None = None


@dataclass(frozen=True)
class History:
    """The runs of one cell on one machine, the oldest first; `labels` are the cell's, one an axis.

    `former` are the keys that the same cell, of equal digest, had before an option of it was renamed.
    """

    key: str
    labels: tuple[str, ...]
    machine: str
    points: tuple[Point, ...]
    former: tuple[str, ...] = ()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The fingerprints of the machine, in the order of time."""
        return tuple(dict.fromkeys(point.host for point in self.points))


def histories(root: Path, wanted: str | None = None) -> tuple[list[History], list[str]]:
    """Return the history of each cell on each machine, and a line on each run that could not be read.

    A run stands in a history when it has evaluated the cell or measured it. The variants of a comparison and repeated
    records do not: they bring earlier states back, and are not the state of their day.

    Parameters
    ----------
    root : the folder of results.
    wanted : a cell's key, or some of its labels joined by ``/``; None for all cells.

    Raises
    ------
    UserError : there is no run, or no run has a cell so called.
    """
    series: dict[tuple[str, str], _Series] = {}
    unread: list[str] = []
    known: set[str] = set()
    seen: set[str] = set()
    for path in reversed(store.runs(root)):
        try:
            lines = store.read_run(path)
        except UserError as error:
            unread.append(str(error))
            continue
        if any(name in lines[0] for name in _ASIDE):
            continue
        # A copy of a run under another name is no second measurement.
        _, _, rest = path.read_bytes().partition(b"\n")
        content = digest([{name: value for name, value in lines[0].items() if name != "run"}, sha256(rest).hexdigest()])
        if content in seen:
            continue
        seen.add(content)
        known |= {label for entry in lines[0]["cells"] for label in entry["labels"]}
        machine = machine_of(root, lines[0]["host"])
        for entry, point in _points(lines):
            one = series.setdefault((machine, entry["key"]), _Series())
            one.entry = entry
            one.digests.add(entry["digest"])
            one.points.append(point)
    everything = list(_joined(series))
    found = everything if wanted is None else _meant(everything, wanted)
    if not found:
        _refuse(root, wanted, known)
    return found, unread


@dataclasses.dataclass
class _Series:
    """The runs of one key on one machine, with the newest entry and all digests that it stood for."""

    entry: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    digests: set[str] = dataclasses.field(default_factory=set)
    points: list[Point] = dataclasses.field(default_factory=list)


def _joined(series: Mapping[tuple[str, str], _Series]) -> Iterator[History]:
    """Yield the histories; keys of an equal digest are one, under its newest key, where no run has both of them."""
    left = dict(series)
    while left:
        machine, key = next(iter(left))
        group = {key: left.pop((machine, key))}
        grew = True
        while grew:
            digests = set().union(*(member.digests for member in group.values()))
            runs = {point.run for member in group.values() for point in member.points}
            same = [
                place
                for place, other in left.items()
                if place[0] == machine
                and other.digests & digests
                and _host(other) == _host(next(iter(group.values())))
                and not runs & {point.run for point in other.points}
            ]
            grew = bool(same)
            if same:
                group[same[0][1]] = left.pop(same[0])
        points = sorted((point for member in group.values() for point in member.points), key=lambda one: one.run)
        newest = max(group, key=lambda name: group[name].points[-1].run)
        former = tuple(name for name in group if name != newest)
        labels = tuple(group[newest].entry["labels"])
        yield History(newest, labels, machine, tuple(_beside_others(points)), former)


def _beside_others(points: Sequence[Point]) -> Iterator[Point]:
    """Yield the points of a history; those of a baseline with their shares, which take all its runs to tell."""
    latency, throughput = (
        relative.levelled([one.latency_others for one in points]),
        relative.levelled([one.throughput_others for one in points]),
    )
    for one, pass_share, rate_share in zip(points, latency, throughput, strict=True):
        yield dataclasses.replace(
            one, latency_share=one.latency_share or pass_share, throughput_share=one.throughput_share or rate_share
        )


def _host(one: _Series) -> str:
    """Return the label of the host axis: a cell under a ceiling is another one, whatever it is called."""
    label: str = one.entry["labels"][list(AXES).index("host")]
    return label


def _meant(found: Sequence[History], wanted: str) -> list[History]:
    """Return the histories that `wanted` names: by one of their keys, else by some of their labels."""
    exact = [one for one in found if wanted in (one.key, *one.former)]
    words = wanted.split("/")
    return exact or [
        one
        for one in found
        if any(cells.within(words, labels) for labels in (one.labels, *(key.split("/") for key in one.former)))
    ]


def machine_of(root: Path, fingerprint: str) -> str:
    """Return what identifies the machine of a fingerprint: the fingerprint itself where no host is stored for it."""
    host = store.read_host(root, fingerprint)
    if host is None or not set(_MACHINE) <= host.keys():
        return fingerprint
    nodes = [node.get("cpus") for node in host.get("numa", ())]
    return digest([[host[name] for name in _MACHINE], nodes], 12)


def _points(lines: Sequence[Record]) -> Iterator[tuple[Mapping[str, Any], Point]]:
    header = lines[0]
    datasets = {line["tokenised"]: line for line in lines if line["type"] == "dataset"}
    by_cell: dict[str, list[Mapping[str, Any]]] = {}
    host = disturbances.of_run(header, [line for line in lines if line["type"] == "invocation"])
    for line in lines:
        if line["type"] in ("accuracy", "invocation"):
            by_cell.setdefault(line["cell_digest"], []).append(line)
    for cell, own in by_cell.items():
        quiet = host.counted(line for line in own if line["type"] == "invocation")
        by_cell[cell] = [line for line in own if line["type"] != "invocation"] + quiet
    baselines = {entry["digest"]: cells.baseline(header, entry) for entry in header["cells"]}
    for entry in header["cells"]:
        if entry["digest"] in by_cell:
            yield entry, _point(header, entry, by_cell, datasets, baselines)


def _point(
    header: Record,
    entry: Mapping[str, Any],
    by_cell: Mapping[str, Sequence[Mapping[str, Any]]],
    datasets: Mapping[str, Record],
    baselines: Mapping[str, Mapping[str, Any] | None],
) -> Point:
    own, baseline = by_cell[entry["digest"]], baselines[entry["digest"]]
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
    measured = relative.invocations(by_cell, entry)
    accuracy = next((line for line in reversed(own) if line["type"] == "accuracy"), None)
    return dataclasses.replace(
        point,
        latency_ns=tuple(_medians(measured, "latency")),
        rows_per_second=tuple(_rates(measured)),
        gemm_ns=tuple(_controls(measured, "gemm_ns")),
        stream_ns=tuple(_controls(measured, "stream_ns")),
        latency_share=relative.shares(entry, baselines, by_cell, "latency"),
        throughput_share=relative.shares(entry, baselines, by_cell, "throughput"),
        latency_others=relative.others(header, entry, baselines, by_cell, "latency"),
        throughput_others=relative.others(header, entry, baselines, by_cell, "throughput"),
        beside="others" if baseline is None else baseline["key"],
        beside_ns=() if baseline is None else tuple(_medians(relative.invocations(by_cell, baseline), "latency")),
        evaluation=None if accuracy is None else _evaluation(accuracy, datasets),
    )


def _medians(measured: Sequence[Mapping[str, Any]], role: str) -> Iterator[float]:
    for series in _series(measured, role):
        yield float(statistics.median(series["latency_ns"]))


def _rates(measured: Sequence[Mapping[str, Any]]) -> Iterator[float]:
    for series in _series(measured, "throughput"):
        yield series["batch_size"] / (statistics.median(series["latency_ns"]) * 1e-9)


def _series(measured: Sequence[Mapping[str, Any]], role: str) -> Iterator[Mapping[str, Any]]:
    return filter(None, (cells.series(line, role) for line in measured))


def _controls(measured: Sequence[Mapping[str, Any]], name: str) -> Iterator[float]:
    for line in measured:
        if line["control"].get(name):
            yield float(statistics.median(line["control"][name]))


def _evaluation(accuracy: Mapping[str, Any], datasets: Mapping[str, Record]) -> Evaluation:
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
    if strange is None:
        hint = "; no one cell has these labels in this order"
    else:
        hint = nearest(strange, known) if strange == wanted else f": '{strange}'{nearest(strange, known)}"
    raise UserError(f"{root / store.RUNS}: no run has evaluated or measured a cell '{wanted}'{hint}")
