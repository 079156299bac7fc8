"""Comparisons of the same code with itself: invocations dealt to two sides, and what rules say of them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy import stats

from harness.stats.decisions import floor
from harness.stats.decisions.changes import Change, Rule
from harness.stats.timings.pairs import paired_levels
from suites.evidence import rules, sequences
from suites.evidence.sequences import Invocations

#: How invocations are dealt to the sides: interleaved as the harness does it, or one side after the other.
ORDERS = ("ABBA", "AABB")

#: Comparisons, at most, of an A/A that comes before all others and tells the source's floor, as ``harness aa`` tells a
#: host's.
AA_COMPARISONS = 4

HARNESS = "harness compare"
BEFORE_AA = "harness compare, before any A/A"


@dataclass(frozen=True)
class Source:
    """Rows of consecutive invocations without a change; `independent` rows have no invocation in common.

    `noise` is what an A/A of as many pairs has shown before, on other invocations.
    """

    name: str
    is_real: bool
    rows: Invocations
    independent: int
    noise: floor.Noise

    @property
    def rule(self) -> Rule:
        """How the harness judges on a host that had this A/A."""
        return Rule(floor=self.noise.floor, drift=self.noise.drift)


@dataclass(frozen=True)
class Share:
    """Of `comparisons` comparisons `alarms` reported a change."""

    alarms: int
    comparisons: int

    @property
    def share(self) -> float:
        """The share of comparisons with a report."""
        return self.alarms / self.comparisons

    @property
    def upper(self) -> float:
        """The upper end of Clopper and Pearson's one-sided 95 % interval, as if no comparisons had data in common."""
        return float(stats.binomtest(self.alarms, self.comparisons, alternative="less").proportion_ci(0.95).high)


def draw(real: Mapping[str, Invocations], generator: Generator, comparisons: int, pairs: int) -> list[Source]:
    """Return so many comparisons of each kind of simulated sequences, and of each real one.

    The first invocations of a real sequence are its A/A, and the comparisons come from the rest.
    """
    found = []
    for kind in sequences.KINDS:
        before = sequences.simulated(kind, generator, (AA_COMPARISONS, 2 * pairs))
        rows = sequences.simulated(kind, generator, (comparisons, 2 * pairs))
        found.append(Source(kind, False, rows, comparisons, noise(before)))
    for name, sequence in real.items():
        # At most a third of what there is.
        earlier = min(AA_COMPARISONS, max(1, len(sequence) // (3 * 2 * pairs)))
        used = earlier * 2 * pairs
        before = sequence[np.arange(used).reshape(earlier, 2 * pairs)]
        rest = sequence[np.arange(used, len(sequence))]
        rows = sequences.windows(rest, generator, (comparisons, 2 * pairs))
        found.append(Source(name, True, rows, min(comparisons, len(rest) // (2 * pairs)), noise(before)))
    return found


def noise(rows: Invocations) -> floor.Noise:
    """Return what an A/A of these rows tells of its host."""
    a, b = (rules.invocations(side) for side in deal(rows, "ABBA"))
    return floor.noise([paired_levels(*sides) for sides in zip(a, b, strict=True)])


def deal(rows: Invocations, order: str) -> tuple[Invocations, Invocations]:
    """Return sides A and B of rows with an even number of invocations, paired along them.

    ABBA: the first of each pair is A in even and B in odd pairs. AABB: the first half is A.
    """
    places = np.arange(len(rows))
    if order == "AABB":
        half = len(rows) // 2
        return rows[:, places[:half]], rows[:, places[half:]]
    first = np.where(np.arange(len(rows) // 2) % 2 == 0, places[0::2], places[1::2])
    return rows[:, first], rows[:, first ^ 1]


def judged(source: Source, order: str, *, factor: float = 1.0, rule: Rule | None = None) -> list[Change]:
    """Return what the harness says of each comparison when B is longer by `factor`."""
    a, b = _sides(source, order, factor)
    return rules.harness(a, b, rule or source.rule, interleaved=order == "ABBA")


def words(changes: list[Change]) -> Counter[str]:
    """Count verdicts."""
    return Counter(change.verdict for change in changes)


def shares(source: Source, order: str, *, factor: float = 1.0) -> dict[str, Share]:
    """Return for each rule how often it reports a change when B is longer by `factor`; at 1 each report is false."""
    found = {}
    for name, rule in ((HARNESS, source.rule), (BEFORE_AA, Rule())):
        mine = words(judged(source, order, factor=factor, rule=rule))
        found[name] = Share(sum(mine[word] for word in rules.REPORTED), mine.total())
    return found | others(source, order, factor=factor)


def others(source: Source, order: str, *, factor: float = 1.0) -> dict[str, Share]:
    """Return for each rule that stands beside ours how often it reports a change when B is longer by `factor`."""
    a, b = _sides(source, order, factor)
    return {name: Share(int(np.sum(rule(a, b))), len(a.samples)) for name, rule in rules.OTHERS.items()}


def _sides(source: Source, order: str, factor: float) -> tuple[Invocations, Invocations]:
    a, b = deal(source.rows, order)
    turns = None if b.turns is None else b.turns * factor
    return a, dataclasses.replace(b, samples=b.samples * factor, turns=turns)
