"""The same code timed again and again: sequences of invocations without a change between them, real or simulated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator
from scipy.signal import lfilter

from harness.results import cells, store
from harness.results.timings import cpu_ns, turn_medians
from harness.stats.timings.disturbance import foreign_share

#: Iterations of an invocation that is simulated: as many as the protocol `quick` times in a cell of 15 ms.
ITERATIONS = 25


@dataclass(frozen=True)
class Invocations:
    """Invocations in the order in which they ran, or an array of such rows.

    `samples` has the shape (..., invocations, iterations), in any unit since only ratios count. The others have the
    shape (..., invocations): medians of the controls, and the share of the cores that others had; None where unknown.
    `turns` are the medians of each turn, of shape (..., invocations, turns), where every two invocations that follow
    each other were timed in turns; as many as the pair with the fewest has.
    """

    samples: np.ndarray
    gemm: np.ndarray | None = None
    stream: np.ndarray | None = None
    foreign: np.ndarray | None = None
    turns: np.ndarray | None = None

    def __len__(self) -> int:
        return self.samples.shape[-2]

    def __getitem__(self, index: Any) -> Invocations:
        fields = (self.samples, self.gemm, self.stream, self.foreign, self.turns)
        return Invocations(*(None if one is None else one[index] for one in fields))


def real(paths: Sequence[Path]) -> dict[str, Invocations]:
    """Return the sequences that the records of a run, or of both runs of comparisons, hold by name.

    ``latency`` and ``throughput`` are the timed series, and ``gemm`` and ``stream`` the controls, the same fixed work
    in every invocation, unless pairs were timed in turns, which the controls are not. Where a run interleaves several
    cells, each series is divided by the median of its cell, and each control by that of its environment, whose library
    does the work. That leaves what the host did and takes away what the cells are; with few blocks it takes away some
    of the noise as well.

    Raises
    ------
    UserError : a file is no run.
    """
    environments, lines, are_pairs = {}, [], True
    for header, *records in map(store.read_run, paths):
        are_pairs &= "comparison" in header
        for entry in header["cells"]:
            environments[entry["digest"]] = cells.configs(header, entry)["backend"]["environment"]
        # Of a comparison both sides have one order.
        compared = header.get("comparison", {"side": "A"})
        began = header["run"] if compared["side"] == "A" else compared["other"]
        lines += [(began, line["order"], line) for line in records if line["type"] == "invocation"]
    lines.sort(key=lambda entry: entry[:2])
    foreign = np.array([np.nan if share is None else share for share in _foreign(lines)])
    lines = [line for *_, line in lines]
    ran_in = [environments[line["cell_digest"]] for line in lines]
    ran = [line["cell_digest"] for line in lines]
    controls = {
        name: _divided([line["control"][f"{name}_ns"] for line in lines], ran_in) for name in ("gemm", "stream")
    }
    medians = {name: np.median(values, axis=1) for name, values in controls.items()}
    found = {}
    for role in ("latency", "throughput"):
        series = [one for line in lines if (one := cells.series(line, role))]
        if len(series) == len(lines):
            samples = _divided([one["latency_ns"] for one in series], ran)
            # A run's own rings are no pairs of the same.
            turns = [turn_medians(one) if are_pairs else None for one in series]
            in_turns = None if None in turns else np.array([row[: min(map(len, turns))] for row in turns])
            found[role] = Invocations(samples, **medians, foreign=foreign, turns=in_turns)
    if any(one.turns is not None for one in found.values()):
        # Controls come before the turns, so the sides' are not measured in turns.
        return found
    return found | {name: Invocations(values, foreign=foreign) for name, values in controls.items()}


def _foreign(lines: Sequence[tuple[str, int, Mapping[str, Any]]]) -> Iterator[float | None]:
    """Yield each invocation's :func:`foreign_share`; what its partners in turns have used is none.

    `lines` have the run that began them and their order. Of pairs from before there were rings, two that follow each
    other were timed in turns.
    """
    rings = defaultdict(list)
    for place, (began, _, line) in enumerate(lines):
        is_alone = any("turns" not in one for one in line["series"])
        rings[began, (place,) if is_alone else tuple(line.get("ring", (place & ~1,)))].append(line)
    used = {id(line): cpu_ns(line) for *_, line in lines}
    shares = {}
    for ring in rings.values():
        total = sum(used[id(line)] for line in ring)
        for line in ring:
            before, after = line["system"]["before"], line["system"]["after"]
            shares[id(line)] = foreign_share(before, after, len(line["cores"]), total - used[id(line)])
    yield from (shares[id(line)] for *_, line in lines)


def simulated(kind: str, generator: Generator, shape: tuple[int, int]) -> Invocations:
    """Return simulated rows of invocations, of shape (rows, invocations), of one of :data:`KINDS`."""
    noise = generator.normal(0, 0.02, (*shape, ITERATIONS))
    if kind == "spiky":
        noise += (generator.random(noise.shape) < 0.05) * generator.exponential(0.5, noise.shape)
    return Invocations(np.exp(KINDS[kind](generator, shape)[..., None] + noise))


def windows(sequence: Invocations, generator: Generator, shape: tuple[int, int]) -> Invocations:
    """Return rows of consecutive invocations from random places, of shape (rows, invocations); they overlap.

    Those that were timed in turns stay together.
    """
    step = 1 if sequence.turns is None else 2
    starts = step * generator.integers(0, (len(sequence) - shape[1]) // step + 1, shape[0])
    return sequence[starts[:, None] + np.arange(shape[1])]


def _white(generator: Generator, shape: tuple[int, int]) -> np.ndarray:
    return generator.normal(0, 0.02, shape)


def _autocorrelated(generator: Generator, shape: tuple[int, int]) -> np.ndarray:
    """AR(1) with coefficient 0.9 and a standard deviation of 3 %, begun in its stationary state."""
    coefficient, deviation = 0.9, 0.03
    shocks = generator.normal(0, deviation * np.sqrt(1 - coefficient**2), shape)
    shocks[:, 0] = generator.normal(0, deviation, shape[0])
    return lfilter([1], [1, -coefficient], shocks, axis=1)


def _spiky(generator: Generator, shape: tuple[int, int]) -> np.ndarray:
    """One invocation in ten meets a neighbour and takes 15 % longer in the mean."""
    struck = generator.random(shape) < 0.1
    return generator.normal(0, 0.01, shape) + struck * generator.exponential(0.15, shape)


def _bimodal(generator: Generator, shape: tuple[int, int]) -> np.ndarray:
    """Two levels 8 % apart, drawn for each process, as the placing of its memory does it."""
    return generator.normal(0, 0.005, shape) + 0.08 * (generator.random(shape) < 0.5)


#: What is simulated: name -> a function that gives the log-levels of the invocations.
KINDS: Mapping[str, Callable[[Generator, tuple[int, int]], np.ndarray]] = {
    "white": _white,
    "autocorrelated": _autocorrelated,
    "spiky": _spiky,
    "bimodal": _bimodal,
}


def _divided(ragged: Sequence[Sequence[int]], kinds: Sequence[str]) -> np.ndarray:
    """Return as many iterations of each, divided by the median of those of its kind.

    The rules of other tools want as many values on each side, so all are cut to the shortest.
    """
    medians = pd.Series([float(np.median(values)) for values in ragged])
    scale = medians.groupby(list(kinds)).transform("median").to_numpy()
    shortest = min(len(values) for values in ragged)
    return np.array([values[:shortest] for values in ragged], float) / scale[:, None]
