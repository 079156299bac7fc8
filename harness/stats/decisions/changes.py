"""Whether one variant of a comparison is faster or slower than the other: tests, and the guards that stand around them.

A host that is loaded, noisy or measured too briefly leads to inconclusive: neither to an alarm nor to an all-clear.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from harness.stats.decisions.verdict import p_values, speed_verdicts
from harness.stats.timings.disturbance import Invocation, disturbed, is_majority
from harness.stats.timings.estimate import Ratio, paired_ratio
from harness.stats.timings.pairs import speed_up

#: The sign-flip test must reject at this level or the rule's own, whichever is stricter. At 5 % so many of the
#: comparisons without a change would raise an alarm on white or two-moded noise; at most 3 % may, before any A/A too.
SIGN_FLIP_ALPHA = 0.02

#: A control that differs between the variants at this level, and by so much, makes their timings incomparable.
CONTROL_ALPHA = 0.01
CONTROL_CHANGE = 0.01


@dataclass(frozen=True)
class Rule:
    """How a comparison is judged.

    `margin` is a relative change too small to matter; `floor` the one below which the host's A/A lets nothing be told
    from noise, None where there was no A/A, and `floors` those of single series (latency, throughput), which are not
    equally noisy; `drift` how far levels of one and the same went apart in that A/A.
    """

    margin: float = 0.02
    floor: float | None = None
    floors: Mapping[str, float] = field(default_factory=dict)
    drift: float | None = None
    alpha: float = 0.05
    confidence: float = 0.95

    @property
    def sign_flip_alpha(self) -> float:
        """The level at which the sign-flip test must reject for a change to be reported."""
        return min(self.alpha, SIGN_FLIP_ALPHA)

    def floor_of(self, series: str) -> float | None:
        """Return the floor of a series, or of all where its own is not known."""
        return self.floors.get(series, self.floor)


@dataclass(frozen=True)
class Subject:
    """One cell's invocations in both variants, by pair.

    `group` names the environment: controls are held against others of it. `same_gemm` is False where the variants'
    NumPy differs, for then their products do. `series` is latency or throughput.
    """

    one: Mapping[int, Invocation]
    other: Mapping[int, Invocation]
    group: str = ""
    same_gemm: bool = True
    series: str = ""


@dataclass(frozen=True)
class Change:
    """A verdict in the other variant, its reason where it is inconclusive, and the evidence.

    `ratio` is the first variant's time over the other's: above 1, the other is faster. `p` is the t test's, before the
    adjustment for the number of comparisons. `counted` are the pairs behind it, `left_out` is how many more there were,
    measured while the host was disturbed.
    """

    verdict: str
    because: str
    ratio: Ratio | None
    p: float | None
    left_out: int
    counted: tuple[int, ...] = ()


def fewest_pairs(alpha: float) -> int:
    """Return how many pairs a two-sided sign-flip test must have to reach `alpha` at all: 2 of 2**pairs patterns."""
    return math.ceil(math.log2(2 / alpha))


def paired_changes(subjects: Sequence[Subject], rule: Rule) -> list[Change]:
    """Judge cells whose two variants were measured interleaved, in adjacent invocations.

    Faster or slower: the paired t test on log-ratios rejects 1 after adjustment for the number of comparisons (see
    :func:`~harness.stats.decisions.verdict.speed_verdicts`), the sign-flip permutation test does too (see
    :data:`SIGN_FLIP_ALPHA`), and the change is larger than the host's floor. Equivalent: both one-sided tests reject a
    change beyond the margin, and the floor is not above the margin. Pairs in which the host was busy with something
    else do not count; where they are more than half, or too few are left, or the control differs between the variants,
    nothing is decided.
    """
    there = _undisturbed(subjects)
    ratios = [_ratio(subject, pairs, rule.confidence) for subject, pairs in zip(subjects, there, strict=True)]
    reasons = [_obstacle(subject, pairs, rule) for subject, pairs in zip(subjects, there, strict=True)]
    testable = [None if reason else ratio for ratio, reason in zip(ratios, reasons, strict=True)]
    words = speed_verdicts(testable, rule.margin, rule.alpha)
    changes = []
    for subject, pairs, ratio, reason, word in zip(subjects, there, ratios, reasons, words, strict=True):
        if not reason and ratio is not None:
            word, reason = _guarded(word, ratio, rule, rule.floor_of(subject.series))
        left_out = len(_common(subject)) - len(pairs)
        changes.append(Change(word, reason, ratio, _p(ratio), left_out, tuple(pairs)))
    return changes


def unpaired_changes(subjects: Sequence[Subject], rule: Rule) -> list[Change]:
    """Judge cells whose variants were measured one after the other: never equivalent, changed only beyond the floor.

    Between two runs a host drifts, which no test on either's spread can see: such tests raised 47 % false alarms on
    one that was not changed. So the whole Welch interval of the log-ratio must lie beyond the host's floor and beyond
    the drift that its A/A has shown.
    """
    ratios = [_welch(subject, rule.confidence) for subject in subjects]
    words = speed_verdicts(ratios, rule.margin, rule.alpha)
    changes = []
    for subject, ratio, word in zip(subjects, ratios, words, strict=True):
        floor = rule.floor_of(subject.series)
        reason = "not interleaved: drift of the host between the two runs cannot be told from a change"
        if floor is None:
            word, reason = "inconclusive", f"{reason}, and no A/A tells this host's floor"
        elif word in ("faster", "slower") and _nearest_end(ratio) > math.log1p(max(floor, rule.drift or 0.0)):
            reason = "not interleaved, but beyond the host's floor"
        else:
            word = "inconclusive"
        changes.append(Change(word, reason, ratio, _p(ratio), 0))
    return changes


def changes_of_ratios(
    pairs: Sequence[tuple[Ratio | None, Ratio | None]], rule: Rule, floors: Sequence[float | None] | None = None
) -> list[Change]:
    """Judge ratios that were measured apart, such as speed-ups in two runs: the other's over the one's.

    Their log-ratios are independent: the variances add, and the freedom is the smaller one's, which is conservative.

    Parameters
    ----------
    floors : of each ratio's series, for two runs of one host, whose speed-ups go apart by what neither run can see: a
        change counts when its whole interval is beyond the floor (or the margin, whichever is wider), and that there
        is none cannot be shown. None for two hosts, where no floor is known.
    """
    ratios = [_quotient(one, other, rule.confidence) for one, other in pairs]
    words = speed_verdicts(ratios, rule.margin, rule.alpha)
    missing = "too few blocks in one variant for an interval"
    changes = []
    for place, (ratio, word) in enumerate(zip(ratios, words, strict=True)):
        reason = _undecided(rule) if word == "inconclusive" and ratio else "" if ratio else missing
        if ratio is not None and floors is not None:
            word, reason = _beyond(word, reason, ratio, max(floors[place] or 0.0, rule.margin))
        changes.append(Change(word, reason, ratio, _p(ratio), 0))
    return changes


def _beyond(word: str, reason: str, ratio: Ratio, reach: float) -> tuple[str, str]:
    """Return the verdict on two runs of one host that stands where speed-ups may differ by `reach` unchanged."""
    if word == "equivalent":
        return "inconclusive", "not measured interleaved: that nothing changed between two runs cannot be shown"
    if word in ("faster", "slower") and _nearest_end(ratio) <= math.log1p(reach):
        return "inconclusive", f"its interval reaches within {reach:.1%}, by which two runs may differ unchanged"
    return word, reason


def _undisturbed(subjects: Sequence[Subject]) -> list[list[int]]:
    """Return for each subject the pairs that both variants have, neither of them disturbed."""
    bad: list[set[int]] = [set() for _ in subjects]
    for variant in ("one", "other"):
        for group in {subject.group for subject in subjects}:
            places = [
                (at, pair, getattr(subject, variant)[pair])
                for at, subject in enumerate(subjects)
                if subject.group == group
                for pair in _common(subject)
            ]
            for (at, pair, _), is_bad in zip(places, disturbed([one for _, _, one in places]), strict=True):
                if is_bad:
                    bad[at].add(pair)
    return [[pair for pair in _common(subject) if pair not in bad[at]] for at, subject in enumerate(subjects)]


def _common(subject: Subject) -> list[int]:
    return sorted(set(subject.one) & set(subject.other))


def _ratio(subject: Subject, pairs: Sequence[int], confidence: float) -> Ratio | None:
    one, other = ({pair: variant[pair] for pair in pairs} for variant in (subject.one, subject.other))
    return speed_up(one, other, confidence)


def _obstacle(subject: Subject, pairs: Sequence[int], rule: Rule) -> str:
    """Return why nothing may be said about a subject, nothing where something may."""
    measured, fewest = len(_common(subject)), fewest_pairs(rule.sign_flip_alpha)
    if is_majority(measured - len(pairs), measured):
        return f"the host was busy with something else in {measured - len(pairs)} of {measured} pairs"
    if len(pairs) < fewest:
        undisturbed = "" if len(pairs) == measured else "undisturbed "
        return f"{len(pairs)} {undisturbed}pairs, want {fewest} or more"
    for name in ("gemm", "stream") if subject.same_gemm else ("stream",):
        one, other = (
            {pair: getattr(variant[pair], f"{name}_ns") for pair in pairs} for variant in (subject.one, subject.other)
        )
        if None in (*one.values(), *other.values()):
            continue
        control = paired_ratio(one, other, rule.confidence)
        p = _p(control)
        if control is None or p is None or p > CONTROL_ALPHA:
            continue
        if abs(control.mean_log) > math.log1p(CONTROL_CHANGE):
            return f"the host was not the same for both variants: its control ({name}) differs by {_percent(control)}"
    return ""


def _guarded(word: str, ratio: Ratio, rule: Rule, floor: float | None) -> tuple[str, str]:
    """Return the verdict that stands beside the sign-flip test and the host's floor, and why it does not."""
    if word in ("faster", "slower"):
        if ratio.p is None or ratio.p > rule.sign_flip_alpha:
            return "inconclusive", f"the t test sees a change of {_percent(ratio)}, the sign-flip test does not"
        if floor is not None and abs(ratio.mean_log) <= math.log1p(floor):
            return "inconclusive", f"a change of {_percent(ratio)} is within this host's floor of {floor:.1%}"
        return word, ""
    if word == "equivalent" and floor is not None and floor > rule.margin:
        return "inconclusive", f"this host's floor of {floor:.1%} is above the margin of {rule.margin:.1%}"
    return word, "" if word == "equivalent" else _undecided(rule)


def _undecided(rule: Rule) -> str:
    return f"neither a change nor its absence (within {rule.margin:.1%}) is shown"


def _percent(ratio: Ratio) -> str:
    return f"{math.expm1(abs(ratio.mean_log)):.1%}"


def _welch(subject: Subject, confidence: float) -> Ratio | None:
    """Return the ratio of two independent variants, with B. L. Welch's interval (Biometrika 34, 1947)."""
    one, other = (
        np.log([variant[pair].level_ns for pair in sorted(variant)]) for variant in (subject.one, subject.other)
    )
    if min(len(one), len(other)) < 2:
        return None
    return _difference(_of_logs(one), _of_logs(other), confidence)


def _of_logs(values: np.ndarray) -> Ratio:
    return Ratio(
        math.exp(float(values.mean())), None, None, len(values), float(values.mean()), float(stats.sem(values)), None
    )


def _quotient(one: Ratio | None, other: Ratio | None, confidence: float) -> Ratio | None:
    if one is None or other is None or one.standard_error_log is None or other.standard_error_log is None:
        return None
    return _difference(other, one, confidence)


def _difference(one: Ratio, other: Ratio, confidence: float) -> Ratio:
    """Return `one` over `other`, which are independent."""
    mean = one.mean_log - other.mean_log
    error = math.hypot(one.standard_error_log or 0.0, other.standard_error_log or 0.0)
    pairs = min(one.pairs, other.pairs)
    reach = float(stats.t.ppf((1 + confidence) / 2, pairs - 1)) * error
    return Ratio(math.exp(mean), math.exp(mean - reach), math.exp(mean + reach), pairs, mean, error, None)


def _nearest_end(ratio: Ratio | None) -> float:
    """Return how far the interval's nearer end is from 1, as a logarithm; 0 where it holds 1 or there is none."""
    if ratio is None or ratio.low is None or ratio.high is None:
        return 0.0
    return max(math.log(ratio.low), -math.log(ratio.high), 0.0)


def _p(ratio: Ratio | None) -> float | None:
    p = p_values(ratio, 1.0)[0]
    return None if math.isnan(p) else p
