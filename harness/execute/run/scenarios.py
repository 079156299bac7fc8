"""Measures a cell in a scenario: LoadGen in one process, or several pinned processes whose throughput is added up."""

from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config.cell import Cell
from harness.config.schema import LOADGEN_ENVIRONMENT
from harness.errors import StageError
from harness.execute.process.launch import Outcome
from harness.execute.process.request import Children

#: What the record of a layout keeps of each instance's values; one of older code tells no placement.
_OF_AN_INSTANCE = ("steady", "warmup_ns", "begin_ns", "latency_ns", "system", "placement")


@dataclass(frozen=True)
class Measured:
    """What a cell is measured with: its artefact, its tokenised data, and the block, which draws the rows."""

    artefact: Path
    tokenised: Path
    block: int


def measure(children: Children, cell: Cell, scenario: str, what: Measured) -> dict[str, Any]:
    """Return the fields of a `scenario` record that do not name the cell.

    Raises
    ------
    StageError : the kind of the process that failed; ``environment`` where LoadGen's own could not be built.
    """
    with tempfile.TemporaryDirectory(prefix="harness-") as scratch:
        if scenario == "offline":
            return _offline(children, cell, what, Path(scratch) / "gate")
        return _loadgen(children, cell, scenario, what, scratch)


def _loadgen(children: Children, cell: Cell, scenario: str, what: Measured, scratch: str) -> dict[str, Any]:
    if LOADGEN_ENVIRONMENT not in children.pythons:
        raise StageError("environment", f"environment {LOADGEN_ENVIRONMENT} could not be built, as was said before")
    outcome = children.run(
        "scenario",
        cell,
        environment=cell.backend.environment,
        inputs={"artefact": what.artefact, "tokenised": what.tokenised},
        options={
            "scenario": scenario,
            "block": what.block,
            "loadgen": str(site_packages(children.pythons[LOADGEN_ENVIRONMENT])),
            "scratch": scratch,
        },
    )
    # SciPy only where there is something to compute.
    from harness.stats.timings.early_stopping import percentiles

    found = outcome.values
    of_single_stream = found["probes"][0]["latency_ns"] if scenario == "single_stream" else []
    return {
        **found,
        "percentiles": [dataclasses.asdict(one) for one in percentiles(of_single_stream)] if of_single_stream else [],
        "layouts": [],
        **_resources([outcome]),
    }


def site_packages(python: Path) -> Path:
    """Return the folder of the packages of a virtual environment's python.

    Raises
    ------
    StageError : ``environment`` when there is none.
    """
    found = sorted((python.parents[1] / "lib").glob("python3*/site-packages"))
    if len(found) != 1:
        raise StageError("environment", f"{python}: no virtual environment; want one lib/python3*/site-packages in it")
    return found[0]


def _offline(children: Children, cell: Cell, what: Measured, gate: Path) -> dict[str, Any]:
    cores = children.cores(cell)
    node_of = {core: node for core, node in children.node_of.items() if core in cores}
    used: dict[int, list[Outcome]] = {}
    layouts: list[dict[str, Any]] = []

    def run(pins: list[list[int]]) -> float:
        outcomes = children.run_together(
            "instance",
            cell,
            environment=cell.backend.environment,
            inputs={"artefact": what.artefact, "tokenised": what.tokenised},
            pins=pins,
            gate=gate,
            options={"block": what.block},
        )
        used[len(layouts)] = outcomes
        layouts.append(_layout([outcome.values for outcome in outcomes], node_of))
        return layouts[-1]["per_second"]

    scenario = cell.protocol.scenario
    largest = max(Counter(node_of.values()).values())
    for size in instance_sizes(len(cores), largest, scenario.offline_cores):
        sweep(groups(cores, node_of, size), run, scenario.offline_growth)
    best = max(range(len(layouts)), key=lambda place: layouts[place]["per_second"])
    first = used[best][0].values
    return {
        "generator": "closed loops in several processes",
        "batch_size": first["batch_size"],
        "sequence_length": first["sequence_length"],
        "tokens": first["tokens"],
        "cores": cores,
        "threads": layouts[best]["cores_per_instance"],
        "steady": all(outcome.values["steady"] for outcome in used[best]),
        "warmup_ns": [],
        "valid": layouts[best]["per_second"] > 0,
        "per_second": layouts[best]["per_second"] or None,
        "percentile": None,
        "limit_ns": None,
        "percentiles": [],
        "probes": [],
        "layouts": layouts,
        "system": None,
        **_resources(used[best]),
    }


def _layout(values: Sequence[Mapping[str, Any]], node_of: Mapping[int, int]) -> dict[str, Any]:
    per_second, window_seconds = throughput(values)
    return {
        "instances": len(values),
        "cores_per_instance": len(values[0]["cores"]),
        "per_second": per_second,
        "window_seconds": window_seconds,
        "memory": _memory(values, node_of),
        "series": [
            {
                "cores": one["cores"],
                "nodes": sorted({node_of[core] for core in one["cores"]}),
                **{name: one[name] for name in _OF_AN_INSTANCE if name in one},
            }
            for one in values
        ],
    }


def _memory(values: Sequence[Mapping[str, Any]], node_of: Mapping[int, int]) -> str:
    if len(set(node_of.values())) < 2:
        return "one node"
    # Pinned before it touches a page, an instance has its memory on its cores' node by the kernel's default, too.
    return "bound" if all(one.get("placement", {}).get("bound") for one in values) else "first touch"


def throughput(values: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Return the rows a second of several instances together, and the seconds of the window that all were at work in.

    The window begins when the last of them has begun and ends when the first has ended. A batch that reaches beyond it
    counts by the share of its time that lies within.
    """
    spans = [(one["begin_ns"], one["begin_ns"] + sum(one["latency_ns"])) for one in values]
    begin, end = max(span[0] for span in spans), min(span[1] for span in spans)
    if end <= begin:
        return 0.0, 0.0
    rows = 0.0
    for one in values:
        start = one["begin_ns"]
        for taken in one["latency_ns"]:
            within = min(start + taken, end) - max(start, begin)
            rows += one["batch_size"] * max(0, within) / max(1, taken)
            start += taken
    return rows / ((end - begin) / 1e9), (end - begin) / 1e9


def instance_sizes(cores: int, largest: int, wanted: Sequence[int] | None) -> list[int]:
    """Return how many cores an instance has, layout after layout.

    Those wanted; else all of the cell, as it is measured otherwise, and then those of a node, a half, and so on to one:
    no instance but the cell's own layout lies across nodes unless it was asked for.

    Parameters
    ----------
    largest : the number of the cell's cores on the node that has most of them.

    Raises
    ------
    StageError : ``bad_config`` for an instance that is larger than what the cell may use.
    """
    if wanted:
        too_many = max(wanted)
        if too_many > cores:
            field = "protocol.scenario.offline_cores"
            raise StageError("bad_config", f"{field}: {too_many} cores an instance, and the cell has {cores}")
        return list(wanted)
    within = [largest >> halving for halving in range(largest.bit_length())]
    return within if largest == cores else [cores, *within]


def groups(cores: Sequence[int], node_of: Mapping[int, int], size: int) -> list[list[int]]:
    """Return disjoint groups of `size` cores, one an instance, that come from the NUMA nodes in turns.

    A group stays within a node, unless no node has as many cores as it wants.
    """
    by_node: dict[int, list[int]] = {}
    for core in cores:
        by_node.setdefault(node_of[core], []).append(core)
    if max(map(len, by_node.values())) < size:
        by_node = {0: list(cores)}
    parts = [[part[at : at + size] for at in range(0, len(part) - size + 1, size)] for part in by_node.values()]
    turns = range(max(map(len, parts)))
    return [part[turn] for turn in turns for part in parts if turn < len(part)]


def sweep(pins: list[list[int]], run: Callable[[list[list[int]]], float], growth: float) -> None:
    """Run with one, two, four ... of the instances in `pins`, until all are there or more of them bring too little.

    `run` returns the throughput; twice the instances must bring more than a share `growth` of it for the next doubling.
    """
    count, before = 1, 0.0
    while True:
        now = run(pins[:count])
        if count == len(pins) or now <= before * (1 + growth):
            return
        count, before = min(2 * count, len(pins)), now


def line(scenario: str, values: Mapping[str, Any]) -> str:
    """Return one line on what was measured."""
    if not values["valid"]:
        return f"{scenario} not valid"
    if scenario == "offline":
        best = max(values["layouts"], key=lambda layout: layout["per_second"])
        shape = f"{best['instances']} x {best['cores_per_instance']} cores"
        return f"offline {values['per_second']:.1f} rows/s with {shape}"
    if scenario == "server":
        share, limit = 100 * values["percentile"], values["limit_ns"] / 1e6
        return f"server {values['per_second']:.1f} queries/s, {share:g} % within {limit:g} ms"
    # What early stopping puts no bound on is the latency of too few queries.
    borne = [one for one in values["percentiles"] if one["bound_ns"] is not None]
    shown = ", ".join(f"p{100 * one['percentile']:g} {one['latency_ns'] / 1e6:.2f}" for one in borne)
    queries = len(values["probes"][0]["latency_ns"])
    return f"single stream of {queries} queries" + (f": {shown} ms" if shown else ", too few for a percentile")


def _resources(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return what the processes have used together."""
    return {
        "peak_memory_bytes": sum(outcome.max_rss_bytes for outcome in outcomes),
        "wall_seconds": max(outcome.wall_seconds for outcome in outcomes),
        "process_seconds": sum(outcome.user_seconds + outcome.system_seconds for outcome in outcomes),
    }
