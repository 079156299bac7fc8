"""How often does the trend report a step where there is none, and how soon does it find one that is there?

``python -m suites.evidence.trends`` simulates histories of each kind of :data:`suites.evidence.histories.KINDS`, and
prints how many lead to a candidate, how many candidates are confirmed, and how soon a step of 3 % is found; beside
that, what two plain rules say of the same histories.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tabulate import tabulate

from harness.stats.decisions.trend import find_steps
from suites.evidence.histories import KINDS, Noise, is_confirmed, levels

#: The step that is to be found, and within how many runs after it.
STEP = math.log(1.03)
WITHIN = 5


@dataclass(frozen=True)
class Outcome:
    """Shares of the histories of one kind: without a change, and with a step after `before` runs.

    `delay` is the median number of runs until a step that is found at all is seen, from 1.
    """

    candidates: float
    reported: float
    z_three: float
    five_percent: float
    found: float
    confirmed: float
    delay: float


def outcome(noise: Noise, histories: int, runs: int, before: int, seed: int = 0) -> Outcome:
    """Simulate `histories` of `runs` runs without a change, and as many that step after `before` runs."""
    rng = np.random.default_rng(seed)
    quiet = [noise(rng, runs) for _ in range(histories)]
    steps = [find_steps(levels(logs)) for logs in quiet]
    reported = [any(is_confirmed(rng, noise, step) for step in found) for found in steps]
    seen, confirmed, delays = 0, 0, []
    for _ in range(histories):
        logs = noise(rng, before + WITHIN)
        logs[before:] += STEP
        after = [step for step in find_steps(levels(logs)) if step.found >= before and step.ratio.estimate > 1]
        seen += bool(after)
        confirmed += any(is_confirmed(rng, noise, step, STEP) for step in after)
        delays += [step.found - before + 1 for step in after[:1]]
    return Outcome(
        candidates=_share(map(bool, steps)),
        reported=_share(reported),
        z_three=_share(any(_z_three(logs)) for logs in quiet),
        five_percent=_share(any(_five_percent(logs)) for logs in quiet),
        found=seen / histories,
        confirmed=confirmed / histories,
        delay=statistics.median(delays) if delays else math.nan,
    )


def _z_three(logs: np.ndarray, fewest: int = 10) -> Iterator[bool]:
    """Yield of each run whether it is more than three standard deviations off the mean of all before it."""
    for end in range(fewest, len(logs)):
        yield abs(logs[end] - logs[:end].mean()) > 3 * logs[:end].std(ddof=1)


def _five_percent(logs: np.ndarray) -> Iterator[bool]:
    """Yield of each run whether it is more than 5 % longer than the one before it."""
    yield from np.diff(logs) > math.log(1.05)


def _share(values: Iterator[bool] | Sequence[bool]) -> float:
    values = list(values)
    return sum(values) / len(values)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--before", type=int, default=30)
    arguments = parser.parse_args()
    rows = []
    for name, noise in KINDS.items():
        one = outcome(noise, arguments.histories, arguments.runs, arguments.before)
        shares = (one.candidates, one.reported, one.z_three, one.five_percent, one.found, one.confirmed)
        rows.append([name, *(f"{100 * share:.1f} %" for share in shares), f"{one.delay:g}"])
    headings = ["noise", "a candidate", "reported", "z > 3", "5 % over the last", f"3 % step found in {WITHIN}",
                "and confirmed", "delay, runs"]  # fmt: skip
    print(f"{arguments.histories} histories a kind; {arguments.runs} runs, or {arguments.before} before the step")
    print(tabulate(rows, headers=headings, tablefmt="pipe", disable_numparse=True))


if __name__ == "__main__":
    main()
