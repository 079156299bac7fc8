"""How this harness and other tools decide whether two sides differ, each by its own published rule.

A rule takes two sides, paired along their invocations, with a row for each comparison, and says for each comparison
whether it reports a change.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from scipy import stats

from harness.stats.decisions import changes, verdict
from harness.stats.timings import estimate
from harness.stats.timings.disturbance import Invocation
from suites.evidence.sequences import Invocations

Rule = Callable[[Invocations, Invocations], np.ndarray]

#: Verdicts that report a change.
REPORTED = ("faster", "slower")


def harness(a: Invocations, b: Invocations, rule: changes.Rule, interleaved: bool) -> list[changes.Change]:
    """Judge each comparison as ``harness compare`` does, as if it were the only one."""
    judge = changes.paired_changes if interleaved else changes.unpaired_changes
    sides = zip(invocations(a), invocations(b), strict=True)
    return [judge([changes.Subject(dict(enumerate(one)), dict(enumerate(other)))], rule)[0] for one, other in sides]


def paired_t(a: Invocations, b: Invocations) -> np.ndarray:
    """Report what the paired t test on the log-ratios of invocations alone calls faster or slower, at 5 %."""
    rows = zip(_levels(a), _levels(b), strict=True)
    ratios = [estimate.paired_ratio(dict(enumerate(one)), dict(enumerate(other))) for one, other in rows]
    return np.array([verdict.speed_verdicts([ratio], changes.Rule().margin)[0] in REPORTED for ratio in ratios])


def pyperf(a: Invocations, b: Invocations) -> np.ndarray:
    """Student's two-sided t test at 5 % on all values of all processes (``pyperf compare_to``)."""
    return stats.ttest_ind(_pooled(a), _pooled(b), axis=1).pvalue <= 0.05


def asv(a: Invocations, b: Invocations) -> np.ndarray:
    """Mann and Whitney's test on all samples, p below 0.002 (``asv compare``, without its factor)."""
    test = stats.mannwhitneyu(_pooled(a), _pooled(b), axis=1, method="asymptotic", use_continuity=False)
    return test.pvalue < 0.002


def asv_factor(a: Invocations, b: Invocations) -> np.ndarray:
    """The same, and the medians differ by the factor 1.1 (``asv compare`` as it comes)."""
    return asv(a, b) & (np.abs(np.log(_ratio_of(np.median, a, b))) > np.log(1.1))


def pytest_benchmark(a: Invocations, b: Invocations) -> np.ndarray:
    """The mean of all rounds has grown by over 5 % (``--benchmark-compare-fail=mean:5%``)."""
    return _ratio_of(np.mean, a, b) > 1.05


def threshold(a: Invocations, b: Invocations) -> np.ndarray:
    """The medians of all iterations differ by over 5 %, whichever way."""
    return np.abs(_ratio_of(np.median, a, b) - 1) > 0.05


#: What a table calls the rules that stand beside ours.
OTHERS: Mapping[str, Rule] = {
    "paired t test on invocations": paired_t,
    "pyperf: t test on pooled iterations": pyperf,
    "asv: Mann-Whitney on pooled iterations": asv,
    "asv with its factor 1.1": asv_factor,
    "pytest-benchmark: mean grew by over 5 %": pytest_benchmark,
    "medians differ by over 5 %": threshold,
}


def invocations(side: Invocations) -> list[list[Invocation]]:
    """Return each comparison's invocations of one side as the harness takes them."""
    absent = np.full(side.samples.shape[:-1], np.nan)
    fields = [absent if one is None else one for one in (side.gemm, side.stream, side.foreign)]
    rows = np.stack([_levels(side), *fields], axis=-1)
    found = [[Invocation(*(None if np.isnan(one) else float(one) for one in one_of)) for one_of in row] for row in rows]
    if side.turns is None:
        return found
    return [
        [dataclasses.replace(one, turns_ns=tuple(turns)) for one, turns in zip(row, of_row, strict=True)]
        for row, of_row in zip(found, side.turns.tolist(), strict=True)
    ]


def _levels(side: Invocations) -> np.ndarray:
    return np.median(side.samples, axis=-1)


def _pooled(side: Invocations) -> np.ndarray:
    return side.samples.reshape(len(side.samples), -1)


def _ratio_of(statistic: Callable[..., np.ndarray], a: Invocations, b: Invocations) -> np.ndarray:
    return statistic(_pooled(b), axis=1) / statistic(_pooled(a), axis=1)
