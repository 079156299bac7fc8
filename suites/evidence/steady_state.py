"""How often is a stationary series called unsteady, and how often does a ramp pass for steady?

``python -m suites.evidence.steady_state`` warms up simulated processes by the rule of
:mod:`harness.worker.timing.warm_up` under the protocol `quick`, and by the rule that was used before: two windows whose
medians differ by at most 2 % or two standard errors, without a trend by Mann and Kendall, of no more iterations than
the time allows.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from tabulate import tabulate

from harness.worker.timing import warm_up
from harness.worker.timing.warm_up import WarmUp

WINDOW, MAX_SECONDS = 4, 0.8
MILLISECONDS = (20, 60, 150, 300, 1000)
NOISES = (0.02, 0.05, 0.1)
RAMP = 0.2

_MOST = 1000


@dataclass(frozen=True)
class Share:
    """The share of the series that are not steady, and the median number of iterations of their warm-up."""

    unsteady: float
    iterations: float


def share(
    milliseconds: float,
    noise: float,
    ramp: float,
    series: int,
    heavy: bool = False,
    rule: Callable[..., WarmUp] = warm_up.warm_up,
    seed: int = 0,
) -> Share:
    """Warm up `series` processes.

    Parameters
    ----------
    noise : standard deviation of an iteration's logarithm; of Student's distribution with 3 degrees of freedom if
        `heavy`, else normal.
    ramp : by what share the iterations become longer over as many as the time allows, or over six; it goes on so.
    """
    random = np.random.default_rng([seed, int(milliseconds), int(1000 * noise)])
    steps = max(2 * warm_up.SHORTEST_WINDOW, MAX_SECONDS * 1000 / milliseconds)
    found = []
    for _ in range(series):
        drawn = random.standard_t(3, _MOST) / math.sqrt(3) if heavy else random.standard_normal(_MOST)
        logs = noise * drawn + math.log1p(ramp) * np.arange(_MOST) / steps
        found.append(rule(_taker(milliseconds * 1e6 * np.exp(logs)), WINDOW, MAX_SECONDS))
    return Share(
        float(np.mean([not one.steady for one in found])), float(np.median([len(one.samples_ns) for one in found]))
    )


def _taker(latencies: np.ndarray) -> Callable[[int, float], list[int]]:
    made = 0

    def take(count: int, seconds: float) -> list[int]:
        nonlocal made
        ends = np.cumsum(latencies[made : made + count]) >= seconds * 1e9
        count = int(np.argmax(ends)) + 1 if ends.any() else count
        made += count
        return [int(one) for one in latencies[made - count : made]]

    return take


def before(take: Callable[[int, float], Sequence[int]], window: int, max_seconds: float) -> WarmUp:
    """Warm up by the rule that was used before."""
    samples: list[int] = []
    left = max_seconds
    while left > 0:
        samples.extend(take(window, left))
        if len(samples) >= 2 * window and _was_flat(samples[-2 * window :]):
            return WarmUp(samples, True)
        left = max_seconds - sum(samples) / 1e9
    while len(samples) < 2 * warm_up.SHORTEST_WINDOW:
        samples.extend(take(1, 0.0))
    return WarmUp(samples, _was_flat(samples[-2 * min(window, len(samples) // 2) :]))


def _was_flat(samples: Sequence[int]) -> bool:
    series = np.asarray(samples, float)
    window = len(series) // 2
    early, late = series[:window], series[window:]
    level = np.median(series)
    residuals = np.concatenate([early - np.median(early), late - np.median(late)])
    scatter = 1.4826 * np.median(np.abs(residuals)) * math.sqrt(math.pi / window) / level
    if abs(np.median(late) - np.median(early)) / level > max(0.02, 2 * scatter):
        return False
    drift = abs(stats.theilslopes(series).slope) * window / level
    return bool(drift <= 0.005 or steady_p(series) >= 0.05)


def steady_p(series: np.ndarray) -> float:
    """Return the p-value of the Mann-Kendall test, with its correction for continuity."""
    count = len(series)
    rows, columns = np.triu_indices(count, 1)
    score = abs(float(np.sign(series[columns] - series[rows]).sum()))
    return math.erfc(max(0.0, score - 1) / math.sqrt(count * (count - 1) * (2 * count + 5) / 18) / math.sqrt(2))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=1000)
    series = parser.parse_args().series
    rows = []
    for milliseconds in MILLISECONDS:
        for noise in NOISES:
            row: list[object] = [milliseconds, f"{100 * noise:g} %"]
            for rule in (before, warm_up.warm_up):
                flat, heavy = (share(milliseconds, noise, 0.0, series, one, rule) for one in (False, True))
                rising = share(milliseconds, noise, RAMP, series, rule=rule)
                shares = (flat.unsteady, heavy.unsteady, 1 - rising.unsteady)
                row += [" / ".join(f"{100 * one:.1f}" for one in shares), f"{flat.iterations:g}"]
            rows.append(row)
    print(f"{series} series of each kind. Shares in percent: stationary and called unsteady, with normal noise / with")
    print(
        "Student's of 3 degrees of freedom / a ramp of 20 % that passes; median iterations of a stationary warm-up.\n"
    )
    headings = ["ms an iteration", "noise", "before", "iterations", "now", "iterations"]
    print(tabulate(rows, headings, "pipe"))


if __name__ == "__main__":
    main()
