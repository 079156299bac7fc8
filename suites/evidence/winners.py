"""How often is a cell that is as fast as the winner passed over, and how true is the winner's figure?

``python -m suites.evidence.winners`` simulates groups of cells whose true speeds are known, timed in blocks with their
baseline on a host that drifts, and asks two rules for the fastest: the one before (the largest speed-up, its row's own
interval, and as close whatever's interval reaches into it) and :func:`harness.stats.timings.fastest.fastest`.
``--write`` puts the report into `results/evidence/fastest.md`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate

from harness.stats.timings.disturbance import Invocation
from harness.stats.timings.estimate import Interval, t_interval
from harness.stats.timings.fastest import Fastest, fastest
from harness.stats.timings.pairs import quotient

BASELINE = "baseline"

#: Drift of the host between blocks, and error of one invocation, as standard deviations of logarithms. The error is
#: that between processes in the committed runs, in round numbers.
DRIFT, ERROR = 0.1, 0.02

Timings = Mapping[str, Mapping[int, Invocation]]


@dataclass(frozen=True)
class Group:
    """A comparison group: the true log speed-ups of its cells, blocks of each, and the kinds of its errors.

    `in_turns` are the cells of a ring beside the baseline, all where it is None; `unequal` the scatter of the cells'
    errors, as the standard deviation of the logarithm; `heavy` errors have a t distribution with 4 degrees of freedom.
    """

    name: str
    truths: tuple[float, ...]
    blocks: int
    in_turns: int | None = None
    unequal: float = 0.0
    heavy: bool = False


EQUAL, STEP = (0.7,) * 20, 0.03
GROUPS = (
    *(Group(f"20 equal cells, {n} blocks", EQUAL, n) for n in (4, 10)),
    *(Group(f"20 equal cells, {n} blocks, rings of 4", EQUAL, n, in_turns=4) for n in (4, 10)),
    *(Group(f"20 equal cells, {n} blocks, unequal errors", EQUAL, n, unequal=0.5) for n in (4, 10)),
    Group("20 equal cells, 4 blocks, rings of 4, unequal errors", EQUAL, 4, in_turns=4, unequal=0.5),
    Group("20 equal cells, 4 blocks, heavy tails", EQUAL, 4, heavy=True),
    Group("2 equal cells, 4 blocks", EQUAL[:2], 4),
    Group("5 equal cells, 4 blocks, unequal errors", EQUAL[:5], 4, unequal=0.5),
    *(Group(f"20 cells, one 3 % ahead, {n} blocks", (0.7 + STEP, *EQUAL[1:]), n) for n in (4, 10)),
    *(Group(f"20 cells, 1 % between each, {n} blocks", tuple(0.7 - 0.01 * i for i in range(20)), n) for n in (4, 10)),
    *(Group(f"3 equal cells ahead of 17 by 10 %, {n} blocks", (0.8,) * 3 + EQUAL[3:], n) for n in (4, 10)),
)


@dataclass(frozen=True)
class Outcome:
    """What a rule has shown in many simulations of one group, as shares.

    `dropped`: some cell that is as fast as the fastest was neither named nor close. `inflated`: mean of the figure over
    the truth of the named cell, less 1. `covered`: its interval held that truth. `told`: of the cells that are at least
    5 % slower than the named one, so many were told from it.
    """

    dropped: float
    inflated: float
    covered: float
    told: float


def simulated(group: Group, generator: np.random.Generator) -> dict[str, dict[int, Invocation]]:
    """Return timings of one run of a group."""
    count = len(group.truths)
    room = group.in_turns or count
    rings = -(-count // room)
    sizes = ERROR * np.exp(generator.normal(0, group.unequal, count + 1))
    host = generator.normal(0, DRIFT, group.blocks * rings)

    def error(size: float) -> float:
        return size * float(generator.standard_t(4) / np.sqrt(2) if group.heavy else generator.normal())

    def timing(block: int, truth: float, size: float) -> Invocation:
        return Invocation(20e6 * float(np.exp(host[block] - truth + error(size))))

    found = {BASELINE: {block: timing(block, 0.0, sizes[-1]) for block in range(len(host))}}
    for repetition in range(group.blocks):
        for place, cell in enumerate(generator.permutation(count)):
            block = repetition * rings + place % rings
            found.setdefault(f"c{cell}", {})[block] = timing(block, group.truths[cell], sizes[cell])
    return found


def before(timings: Timings) -> Fastest:
    """Return what a table said until it was asked what its luck was worth."""
    ratios = {}
    for name, found in timings.items():
        logs = np.array([np.log(quotient(timings[BASELINE][block], one)) for block, one in found.items()])
        if name != BASELINE:
            ratios[name] = Interval(*np.exp([logs.mean(), *t_interval(logs, 0.95)]).tolist())
    best = max(ratios, key=lambda name: ratios[name].estimate)
    close = tuple(name for name, one in ratios.items() if name != best and one.high >= ratios[best].low)
    return Fastest(best, ratios[best], close)


def after(timings: Timings) -> Fastest:
    """Return what it says now."""
    return fastest(BASELINE, timings)


def outcome(group: Group, rule: Callable[[Timings], Fastest], simulations: int, seed: int = 0) -> Outcome:
    """Return what a rule shows in `simulations` runs of a group."""
    generator = np.random.default_rng(seed)
    truth = {f"c{place}": one for place, one in enumerate(group.truths)} | {BASELINE: 0.0}
    dropped, figures, covered, told = 0, [], 0, []
    for _ in range(simulations):
        found = rule(simulated(group, generator))
        shown = {found.name, *found.close}
        dropped += any(one == max(group.truths) and name not in shown for name, one in truth.items())
        true = truth[found.name]
        figures.append(np.log(found.speed_up.estimate) - true)
        covered += np.log(found.speed_up.low) <= true <= np.log(found.speed_up.high)
        told += [name not in shown for name, one in truth.items() if one <= true - 0.05 and name != BASELINE]
    return Outcome(
        dropped / simulations,
        float(np.expm1(np.mean(figures))),
        covered / simulations,
        float(np.mean(told)) if told else float("nan"),
    )


def report(simulations: int) -> str:
    """Return the report on all groups as Markdown."""
    rows = []
    for group in GROUPS:
        row = [group.name]
        for rule in (before, after):
            one = outcome(group, rule, simulations)
            told = "-" if np.isnan(one.told) else f"{100 * one.told:.0f} %"
            row += [f"{100 * one.dropped:.1f} %", f"{100 * one.inflated:+.2f} %", f"{100 * one.covered:.1f} %", told]
        rows.append(row)
    words = ("equals dropped", "figure off by", "interval holds", "5 % slower told")
    headings = ["group", *(f"{when}: {word}" for when in ("before", "now") for word in words)]
    table = tabulate(rows, headers=headings, tablefmt="pipe", disable_numparse=True)
    return "\n".join(
        [
            "# The fastest of several cells",
            "",
            f"Written by `python -m suites.evidence.winners --simulations {simulations} --write`. Error of an "
            f"invocation {100 * ERROR:g} %, drift of the host between blocks {100 * DRIFT:g} %, intervals at 95 %.",
            "",
            table,
            "",
            "Equals dropped: runs in which some cell that is as fast as the fastest was neither named nor said to be "
            "not distinguishable; at most 5 % are wanted. Figure off by: the mean of the named cell's figure over its "
            "true speed-up. Interval holds: runs in which its interval held that; at least 93 % are wanted. 5 % slower "
            "told: of the cells at least 5 % slower than the named one, those that were told from it: what caution "
            "costs.",
            "",
        ]
    )  # fmt: skip


def main() -> None:
    """Print the report, or write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=2000)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    text = report(arguments.simulations)
    print(text)
    if arguments.write:
        path = Path(__file__).parents[2] / "results" / "evidence" / "fastest.md"
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
