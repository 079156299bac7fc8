"""Does the interval of a difference of F1, Matthews, Pearson and perplexity hold the true one, also when little moves?

``python -m suites.evidence.metric_intervals`` draws rows, what FP32 predicts, and what another side predicts that
differs on a known share of the rows. It asks how often the interval holds the true difference, and how often a loss
beyond the criterion is called `met`: with the criterion just below the true loss, where that is most likely. Beside it
stands the percentile bootstrap, which was used before. Each figure is the worst of the ways in which rows move.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from tabulate import tabulate

from harness import metrics
from harness.metrics.f1_macro import f1_macro_of
from harness.metrics.matthews import matthews_of
from harness.stats.predictions.accuracy import criterion, paired_difference
from harness.stats.timings.estimate import Interval

ROWS = (20, 50, 100, 500)
DISCORDANCES = (0.0, 0.01, 0.02, 0.05, 0.1)
_RIGHT = 0.9
_RESAMPLES = 1000

#: Metrics of counts, which say what the truth of a drawn table is.
OF_COUNTS = {"f1_macro": f1_macro_of, "matthews": matthews_of}

#: Draws (predicted, baseline, references) of so many rows.
Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray, np.ndarray]]


#: Metrics of classes, from the counts of each.
OF_COUNTS = {"f1_macro": f1_macro_of, "matthews": matthews_of}


@dataclass(frozen=True)
class Case:
    """A way in which rows move, and the difference of the metric that it makes in the long run."""

    metric: str
    name: str
    difference: float
    draw: Draw
    greater_is_better: bool = True


@dataclass(frozen=True)
class Outcome:
    """Shares of the trials: the interval held the true difference; a true loss beyond the criterion was `met`."""

    covered: float
    false_met: float


#: How many rows are of each class.
_CLASSES: Mapping[str, tuple[float, ...]] = {
    "two classes": (0.5, 0.5),
    "a rare class": (0.9, 0.1),
    "five classes": (0.4, 0.3, 0.15, 0.1, 0.05),
}


def cases(discordance: float) -> Iterator[Case]:
    """Yield every way in which a share of the rows, `discordance`, moves."""
    for classes, shares in _CLASSES.items():
        for way in ("broken", "both ways", "rare broken") if discordance else ("none",):
            table = _table(np.array(shares), way, discordance)
            for metric in OF_COUNTS:
                yield Case(metric, f"{classes}, {way}", _true_difference(metric, table), _drawn_from(table))
    r = 0.8
    spread = 1 / r  # of predictions, where references have a standard deviation of 1
    noisy = r * (1 / math.sqrt(1 + discordance / spread**2) - 1)
    yield Case("pearson", "another row's prediction", -r * discordance, _numbers(discordance, swapped=True))
    yield Case("pearson", "noise", noisy, _numbers(discordance, swapped=False))
    for name, dense in (("some texts", 0.0), ("all texts a little", 0.03)):
        rise = math.exp(3) * (math.exp(0.3 * discordance) - 1)
        yield Case("perplexity", name, rise, _texts(discordance, dense), greater_is_better=False)


def outcome(
    case: Case, rows: int, trials: int, interval: Callable[..., Interval] = paired_difference, seed: int = 0
) -> Outcome:
    """Draw `trials` samples of `rows` rows and hold the intervals of their differences against the true one."""
    random = np.random.default_rng([seed, rows])
    loss = -case.difference if case.greater_is_better else case.difference
    covered, met = [], []
    for trial in range(trials):
        found = interval(case.metric, *case.draw(random, rows), seed=trial)
        if found.low is None or found.high is None:
            covered.append(True)
            met.append(False)
            continue
        covered.append(found.low - 1e-12 <= case.difference <= found.high + 1e-12)
        held = criterion(found, 1.0, loss * (1 - 1e-6), False, case.greater_is_better)
        met.append(loss > 0 and held.state == "met")
    return Outcome(float(np.mean(covered)), float(np.mean(met)))


def percentile_bootstrap(
    name: str, predicted: np.ndarray, baseline: np.ndarray, true: np.ndarray, seed: int = 0
) -> Interval:
    """Return the interval that was used before: the percentile bootstrap over rows (B. Efron, 1979)."""
    subject = metrics.find(name).weighable([predicted, baseline], true)
    weights = np.random.default_rng(seed).multinomial(len(true), subject.counts / len(true), _RESAMPLES)
    low, high = np.quantile(subject.value(weights @ subject.features), [0.025, 0.975])
    return Interval(float(subject.value(subject.counts @ subject.features)), float(low), float(high))


def _table(shares: np.ndarray, way: str, discordance: float) -> np.ndarray:
    """Return the shares of rows of each (true class, predicted, by the baseline), shape (classes,) * 3."""
    classes = len(shares)
    of = np.arange(classes)
    wrong = (1 - np.eye(classes)) / (classes - 1)
    baseline = shares[:, None] * (_RIGHT * np.eye(classes) + (1 - _RIGHT) * wrong)
    table = np.zeros((classes,) * 3)
    table[of[:, None], of[None, :], of[None, :]] = baseline
    right = shares * _RIGHT
    if way == "rare broken":
        rarest = np.arange(classes) == classes - 1
        broken = np.where(rarest, np.minimum(discordance, right / 2), 0)
    else:
        broken = right / right.sum() * discordance * {"none": 0, "both ways": 0.5, "broken": 1}[way]
    table[of, of, of] -= broken
    table[of[:, None], of[None, :], of[:, None]] += broken[:, None] * wrong
    if way == "both ways":
        fixed = baseline * (1 - np.eye(classes)) / (1 - _RIGHT) * discordance / 2
        table[of[:, None], of[None, :], of[None, :]] -= fixed
        table[of[:, None], of[:, None], of[None, :]] += fixed
    return table


def _true_difference(metric: str, table: np.ndarray) -> float:
    truth = table.sum((1, 2))
    sides = table.sum(2), table.sum(1)
    values = [float(OF_COUNTS[metric](np.diag(one), one.sum(0), truth)) for one in sides]
    return values[0] - values[1]


def _drawn_from(table: np.ndarray) -> Draw:
    def draw(random: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        places = random.choice(table.size, rows, p=table.ravel() / table.sum())
        true, predicted, baseline = np.unravel_index(places, table.shape)
        return predicted, baseline, true

    return draw


def _numbers(discordance: float, swapped: bool) -> Draw:
    """References with a standard deviation of 1 and predictions that correlate with them by 0.8."""

    def draw(random: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        true = random.normal(size=rows)
        baseline = true + random.normal(0, 0.75, rows)
        other = random.normal(0, 1.25, rows) if swapped else baseline + random.normal(0, 1, rows)
        return np.where(random.random(rows) < discordance, other, baseline), baseline, true

    return draw


def _texts(discordance: float, dense: float) -> Draw:
    """Texts whose tokens lose 3 nats in the mean, and 0.3 more where a text has moved."""

    def draw(random: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        baseline = random.normal(3, 0.4, rows)
        risen = baseline + random.normal(0, dense, rows)
        moved = risen + random.normal(0.3, 0.2, rows)
        return np.where(random.random(rows) < discordance, moved, risen), baseline, np.full(rows, 127.0)

    return draw


def _report(trials: int) -> Iterator[str]:
    methods = {"before": percentile_bootstrap, "now": paired_difference}
    found = {
        (method, case.metric, rows, discordance, case.name): outcome(case, rows, trials, interval)
        for discordance in DISCORDANCES
        for case in cases(discordance)
        for rows in ROWS
        for method, interval in methods.items()
    }
    yield f"{trials} samples of each cell; the lowest coverage of a 95 % interval, and the highest share of a loss "
    yield "beyond the criterion that is called `met`, over the ways in which rows move, in percent.\n"
    for metric in dict.fromkeys(key[1] for key in found):
        table = []
        for rows in ROWS:
            for method in methods:
                line = [rows, method]
                for discordance in DISCORDANCES:
                    ours = [one for key, one in found.items() if key[:4] == (method, metric, rows, discordance)]
                    covered, met = min(one.covered for one in ours), max(one.false_met for one in ours)
                    line.append(f"{100 * covered:.1f}, {100 * met:.1f}")
                table.append(line)
        yield f"\n## {metric}: coverage, false `met`, by the share of rows that differ\n"
        yield tabulate(table, ["rows", "interval", *(f"{100 * one:g} %" for one in DISCORDANCES)], "pipe")
    yield "\n## Lowest of all, now\n"
    ours = sorted((one.covered, *key[1:]) for key, one in found.items() if key[0] == "now")[:8]
    ours = [
        [f"{100 * covered:.1f}", metric, rows, f"{100 * share:g} %", name]
        for covered, metric, rows, share, name in ours
    ]
    yield tabulate(ours, ["coverage", "metric", "rows", "rows that differ", "how they move"], "pipe")


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    for line in _report(parser.parse_args().trials):
        print(line, flush=True)


if __name__ == "__main__":
    main()
