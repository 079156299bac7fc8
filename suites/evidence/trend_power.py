"""How large a step does a trend find, at the spread that committed runs really have from run to run?

``python -m suites.evidence.trend_power`` reads the histories of a folder of results, prints the spread of their raw
levels and of their levels paired with the baseline's, and simulates histories of such spreads: how many with a step of
5 % or 10 % are found within five runs and then confirmed, and how many without one are reported all the same.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate

from harness.results.history import History, histories
from harness.stats.decisions.trend import Level, find_steps, level
from suites.evidence.histories import is_confirmed

#: A more eager level of a look, for comparison.
EAGER_ALPHA = 5e-3
STEPS = (0.05, 0.10)
RUNS_BEFORE, WITHIN = 30, 5
SPREADS = (0.01, 0.024, 0.035, 0.05, 0.07, 0.13)
PAIRS = (12, 24)

#: A run of the protocol `quick` has so many blocks, and a pair of a confirmation one.
BLOCKS = 4
_FEWEST_RUNS = 4


@dataclass(frozen=True)
class Spread:
    """Standard deviations of a history's logarithms: of the raw levels, of the paired ones, and their own error."""

    cell: str
    runs: int
    raw: float
    paired: float
    own: float


def spreads(found: list[History]) -> Iterator[Spread]:
    """Yield the spread of each history that has a baseline in at least four runs."""
    for one in found:
        points = [point for point in one.points if len(point.latency_share) > 1]
        if len(points) >= _FEWEST_RUNS:
            raw = [math.log(level(point.latency_ns).value) for point in points]
            paired = [level(point.latency_share) for point in points]
            yield Spread(
                one.key,
                len(points),
                float(np.std(raw, ddof=1)),
                float(np.std([math.log(each.value) for each in paired], ddof=1)),
                float(np.median([each.error_log for each in paired])),
            )


def found_and_confirmed(
    spread: float,
    step: float,
    histories: int,
    look_alpha: float | None = None,
    pairs: Sequence[int] = PAIRS,
    seed: int = 0,
) -> tuple[float, ...]:
    """Return the shares of the histories in which the step is found within five runs, and confirmed by so many pairs.

    A run's own error is taken for as large as the spread, and a pair's for that of one block. A `step` of 0 is none:
    then the shares are of the histories of as many runs that lead to a candidate, and to a report.
    """
    random = np.random.default_rng([seed, round(1e4 * spread), round(1e4 * step)])
    change = math.log1p(step)
    options = {} if look_alpha is None else {"look_alpha": look_alpha}

    def noise(generator: np.random.Generator, count: int) -> np.ndarray:
        # A pair's ratio has the spread of one block; it is the difference of two sides.
        return generator.normal(0, spread * math.sqrt(BLOCKS / 2), count)

    shares = np.zeros(1 + len(pairs))
    for _ in range(histories):
        logs = random.normal(0, spread, RUNS_BEFORE + WITHIN)
        logs[RUNS_BEFORE:] += change
        steps = find_steps([Level(math.exp(value), spread) for value in logs], **options)
        ours = [one for one in steps if not step or (one.found >= RUNS_BEFORE and one.ratio.estimate > 1)]
        shares += [bool(ours), *(any(is_confirmed(random, noise, one, change, many) for one in ours) for many in pairs)]
    return tuple(float(share) for share in shares / histories)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--histories", type=int, default=500)
    arguments = parser.parse_args()
    real = list(spreads(histories(arguments.results)[0]))
    rows = [[one.cell, one.runs, *(f"{100 * sd:.1f} %" for sd in (one.raw, one.paired, one.own))] for one in real]
    print("Spread of the latency from run to run, on one machine: standard deviations of logarithms.\n")
    print(tabulate(rows, ["cell", "runs", "raw level", "paired with the baseline", "a run's own error"], "pipe"))
    if real:
        raw, paired = (float(np.median([getattr(one, name) for one in real])) for name in ("raw", "paired"))
        print(f"\nMedians: raw {100 * raw:.1f} %, paired {100 * paired:.1f} %.")
    print(
        f"\n{arguments.histories} simulated histories a row, {RUNS_BEFORE} runs before the step: found within {WITHIN}"
    )
    print(
        "runs / and confirmed by 12 pairs / by 24; without a step: a candidate / reported after 12 pairs / after 24.\n"
    )
    rows = []
    for spread in SPREADS:
        row = [f"{100 * spread:g} %"]
        for look_alpha in (None, EAGER_ALPHA):
            for step in (*STEPS, 0.0):
                found = found_and_confirmed(spread, step, arguments.histories, look_alpha)
                row.append(" / ".join(f"{100 * one:.1f}" for one in found))
        rows.append(row)
    headings = [f"{when}, {what}" for when in ("as shipped", "looks at 0.5 %") for what in ("5 %", "10 %", "no step")]
    print(tabulate(rows, ["spread", *headings], "pipe"))


if __name__ == "__main__":
    main()
