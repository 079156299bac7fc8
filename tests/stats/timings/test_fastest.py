"""The fastest of several: simulated groups of known truths, and closed forms of what lies below."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multicomp import pairwise_tukeyhsd

from harness.stats.timings.disturbance import Invocation
from harness.stats.timings.fastest import fastest
from harness.stats.timings.moderation import moderated
from suites.evidence.winners import EQUAL, STEP, Group, after, before, outcome

SIMULATIONS = 250


def _at_most(share: float, most: float) -> bool:
    """Say whether a share of the simulations is not significantly above what is wanted."""
    return stats.binomtest(round(share * SIMULATIONS), SIMULATIONS, most, alternative="greater").pvalue > 0.01


@pytest.mark.slow
@pytest.mark.parametrize(
    "group",
    [
        Group("all in a group", EQUAL, 4),
        Group("groups of four", EQUAL, 4, in_turns=4),
        Group("unequal errors", EQUAL, 10, unequal=0.5),
        Group("one ahead", (0.7 + STEP, *EQUAL[1:]), 4),
        Group("five", EQUAL[:5], 4),
    ],
    ids=lambda group: group.name,
)
def test_equals_stay_and_the_winners_figure_is_true(group):
    found = outcome(group, after, SIMULATIONS)
    assert _at_most(found.dropped, 0.05)
    assert _at_most(1 - found.covered, 0.07)
    # Drawn towards the others, a winner that is ahead reads a little too low, and none too high.
    assert -0.02 < found.inflated < 0.01


def test_the_rule_before_was_lucky_too_often():
    found = outcome(Group("", EQUAL, 4, in_turns=4), before, SIMULATIONS)
    assert found.inflated > 0.02 and not _at_most(1 - found.covered, 0.07)


def test_a_cell_that_is_clearly_slower_is_told_from_the_fastest():
    slower = Group("", (0.8, 0.8, *(0.6,) * 18), 4)
    assert outcome(slower, after, 50).told > 0.99


def _timings(logs: np.ndarray) -> dict[str, dict[int, Invocation]]:
    """Return cells and blocks of an array of log times, the baseline in its first row."""
    names = ["baseline", *(f"c{place}" for place in range(1, len(logs)))]
    return {
        name: {block: Invocation(1e6 * math.exp(value)) for block, value in enumerate(row)}
        for name, row in zip(names, logs, strict=True)
    }


def test_whatever_the_host_does_to_a_block_cancels():
    logs = np.random.default_rng(3).normal(0, 0.01, (6, 5)) - np.array([[0], [0.7], [0.69], [0.7], [0.4], [0.1]])
    quiet, busy = (fastest("baseline", _timings(logs + host)) for host in (0, np.array([[0.0, 0.3, -0.2, 1, 0.5]])))
    assert (quiet.name, quiet.close) == (busy.name, busy.close) and set(quiet.close) >= {"c2"}
    ends = [(one.speed_up.estimate, one.speed_up.low, one.speed_up.high) for one in (quiet, busy)]
    assert ends[0] == pytest.approx(ends[1])


def test_with_equal_errors_it_is_tukeys_test_of_the_residuals_of_blocks():
    # One block effect for all, so that statsmodels, which knows no blocks, has the same residuals less its freedom.
    generator = np.random.default_rng(8)
    logs = generator.normal(0, 0.02, (5, 40)) - np.array([[0], [0.70], [0.695], [0.68], [0.66]])
    logs -= logs.mean(axis=0) - logs.mean()
    found = fastest("baseline", _timings(logs))
    tukey = pairwise_tukeyhsd(-logs.ravel(), np.repeat(["baseline", "c1", "c2", "c3", "c4"], 40))
    pairs = zip(*np.triu_indices(5, 1), tukey.reject, strict=True)
    told = {(tukey.groupsunique[a], tukey.groupsunique[b]) for a, b, rejected in pairs if rejected}
    expected = {name for name in ("c2", "c3", "c4") if ("c1", name) not in told}
    assert found.name == "c1" and set(found.close) == expected and 0 < len(expected) < 3


def test_of_a_single_block_everything_is_close_and_nothing_has_ends():
    found = fastest("baseline", _timings(np.array([[0.0], [-0.7], [-0.2]])))
    assert (found.name, found.close, found.speed_up.low) == ("c1", ("baseline", "c2"), None)
    assert fastest("baseline", {"baseline": {}, "c1": {0: Invocation(1.0)}}) is None


def test_the_baseline_can_be_the_fastest():
    logs = np.random.default_rng(0).normal(0, 0.001, (3, 4)) + np.array([[0.0], [0.5], [0.001]])
    found = fastest("baseline", _timings(logs))
    assert (found.name, found.speed_up.estimate, found.close) == ("baseline", 1.0, ("c2",))


def test_equal_variances_are_pooled_and_scattered_ones_keep_their_own():
    generator = np.random.default_rng(1)
    freedoms = np.full(40, 3.0)
    alike = generator.chisquare(3, 40) / 3
    # Less scattered than so few samples would: nothing but their mean is known.
    variances, total = moderated(np.sqrt(alike), freedoms)
    assert variances == pytest.approx(np.full(40, np.sqrt(alike).mean())) and total.tolist() == [120.0] * 40
    scattered = alike * np.exp(generator.normal(0, 6, 40))
    variances, total = moderated(scattered, freedoms)
    # Those that are large; the others are drawn up to what is usual.
    large = scattered > np.median(scattered)
    assert np.log(variances[large]) == pytest.approx(np.log(scattered[large]), abs=1.5) and (total < 4).all()


def test_the_scatter_of_variances_is_found_again():
    # Smyth's model itself: true variances s0 d0 / chi2(d0) with s0 = 2 and d0 = 8.
    generator = np.random.default_rng(5)
    truth = 2 * 8 / generator.chisquare(8, 4000)
    variances, freedoms = moderated(truth * generator.chisquare(3, 4000) / 3, np.full(4000, 3.0))
    assert freedoms[0] - 3 == pytest.approx(8, rel=0.15)
    assert np.mean(np.log(variances / truth) ** 2) < 0.5 * np.mean(np.log(2 / truth) ** 2 + 0.2)


def test_a_variance_without_freedom_becomes_the_common_one():
    variances, _ = moderated(np.array([4.0, 4.1, 3.9, 0.0]), np.array([3.0, 3.0, 3.0, 0.0]))
    assert variances[3] == pytest.approx(4.0)
    assert moderated(np.array([0.0, 0.0]), np.array([3.0, 3.0]))[0].tolist() == [0.0, 0.0]
