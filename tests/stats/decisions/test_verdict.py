from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from harness.errors import FAILURE_KINDS
from harness.stats.decisions.verdict import Failed, cell_status, has_failed, left_out, speed_verdicts
from harness.stats.timings.estimate import Ratio, paired_ratio

OOM = Failed("oom", "needs more", "quantize")
CRASH = Failed("crash", "died by SIGSEGV", "measure", 1)
FINE = {
    "failures": [],
    "evaluated": True,
    "invocations": 4,
    "blocks": 4,
    "steady": {"latency": [True] * 4, "throughput": [True] * 4},
    "criterion": "met",
}


@pytest.mark.parametrize(
    ("changes", "name", "reason"),
    [
        ({}, "ok", ""),
        ({"criterion": None}, "ok", ""),
        ({"criterion": "undecided"}, "ok", ""),
        ({"criterion": "failed"}, "inaccurate", "interval"),
        ({"steady": {"latency": [True, False, False, False]}}, "unstable", "latency: no steady state shown in 3 of 4"),
        ({"steady": {"latency": [True, True, False, False]}}, "ok", ""),
        (
            {"steady": {"latency": [True] * 4, "throughput": [False] * 4}},
            "ok",
            "throughput: no steady state shown in 4",
        ),
        ({"steady": {"throughput": [False] * 4}}, "unstable", "throughput: no steady state shown in 4 of 4"),
        ({"criterion": "failed", "steady": {"latency": [False] * 4}}, "inaccurate", ""),
        ({"failures": [OOM], "evaluated": False, "invocations": 0}, "oom", "quantize: needs more"),
        ({"failures": [Failed("timeout", "took 1800 s", "evaluate")], "invocations": 0}, "timeout", "1800 s"),
        ({"failures": [Failed("no_int8_kernels", "none", "evaluate")]}, "failed(no_int8_kernels)", "none"),
        ({"failures": [CRASH], "invocations": 3}, "ok", "1 of 4 invocations failed(crash): died by SIGSEGV"),
        ({"failures": [CRASH, CRASH], "invocations": 2}, "failed(crash)", "measure: died"),
        ({"failures": [CRASH], "invocations": 0, "blocks": 1}, "failed(crash)", "measure: died"),
        ({"invocations": 3}, "pending", "3 of 4 blocks"),
        ({"invocations": 3, "criterion": "failed"}, "pending", "3 of 4 blocks"),
        ({"evaluated": False, "invocations": 0}, "pending", "not prepared"),
    ],
)
def test_status_of_a_cell(changes, name, reason):
    found = cell_status(**{**FINE, **changes})
    assert found.name == name
    assert reason in found.reason


def test_what_is_left_out_says_why():
    assert (left_out("unsupported", "no tracer").name, left_out("excluded", "as fx").reason) == ("unsupported", "as fx")


def ratio(mean_log: float, standard_error_log: float | None, pairs: int = 10) -> Ratio:
    return Ratio(math.exp(mean_log), None, None, pairs, mean_log, standard_error_log, None)


@pytest.mark.parametrize(
    ("mean_log", "error", "verdict"),
    [
        (0.7, 0.01, "faster"),
        (-0.7, 0.01, "slower"),
        (0.0, 0.001, "equivalent"),
        (0.005, 0.001, "equivalent"),  # a change, but one that does not matter
        (0.02, 0.001, "faster"),  # beyond the margin of 2 % or not, but surely a change
        (0.0, 0.05, "inconclusive"),
        (0.1, 0.2, "inconclusive"),
    ],
)
def test_one_ratio(mean_log, error, verdict):
    assert speed_verdicts([ratio(mean_log, error)], margin=0.02) == [verdict]


@pytest.mark.parametrize("untestable", [None, ratio(0.7, None, 1), ratio(0.7, 0.0), ratio(0.0, math.nan)])
def test_what_cannot_be_tested_is_inconclusive_and_does_not_weigh_on_the_others(untestable):
    alone = speed_verdicts([ratio(0.07, 0.03)], margin=0.02)
    assert alone == ["faster"]
    assert speed_verdicts([untestable] * 20 + [ratio(0.07, 0.03)], margin=0.02) == ["inconclusive"] * 20 + alone


def test_the_same_timings_in_every_block_tell_nothing_of_the_noise():
    same = paired_ratio({0: 3.0, 1: 3.0, 2: 3.0}, {0: 1.7, 1: 1.7, 2: 1.7})
    assert speed_verdicts([same], margin=0.02) == ["inconclusive"]


def test_of_the_fifteen_p_values_of_benjamini_and_hochberg_four_are_found():
    # JRSS B 57 (1995) 289-300, section 3.2: Bonferroni finds three, their procedure the first four.
    published = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
                 0.6528, 0.7590, 1.0000]  # fmt: skip
    ratios = [ratio(float(stats.t.isf(p / 2, 9)), 1.0) for p in published]
    assert speed_verdicts(ratios, margin=0.02) == ["faster"] * 4 + ["inconclusive"] * 11


def test_equivalence_is_decided_as_by_statsmodels_two_one_sided_tests():
    random = np.random.default_rng(1)
    found = []
    for spread in (0.005, 0.02, 0.04, 0.08):
        log_ratios = random.normal(0.003, spread, 8)
        p, _, _ = DescrStatsW(log_ratios).ttost_mean(-math.log1p(0.05), math.log1p(0.05))
        measured = paired_ratio(dict(enumerate(np.exp(log_ratios))), dict.fromkeys(range(8), 1.0))
        for alpha in (p * 0.999, p * 1.001):
            verdict = speed_verdicts([measured], margin=0.05, alpha=alpha)[0]
            found.append((verdict == "equivalent") == (p <= alpha))
    assert all(found)


def test_twenty_comparisons_of_the_same_code_raise_hardly_any_alarm():
    random = np.random.default_rng(0)
    alarms = 0
    for _ in range(30):
        variants = random.lognormal(0, 0.05, (20, 2, 6))
        ratios = [paired_ratio(dict(enumerate(a)), dict(enumerate(b))) for a, b in variants]
        alarms += any(verdict in ("faster", "slower") for verdict in speed_verdicts(ratios, margin=0.02))
    assert alarms <= 4  # 5 % of 30 suites are 1.5


def test_a_margin_must_be_one():
    with pytest.raises(ValueError, match="margin=0"):
        speed_verdicts([], margin=0)


@pytest.mark.parametrize("kind", FAILURE_KINDS)
def test_each_kind_of_failure_is_a_status_that_has_failed(kind):
    status = cell_status(
        failures=[Failed(kind, "why", "evaluate")], evaluated=False, invocations=0, blocks=4, steady={}, criterion=None
    )
    assert has_failed(status.name), status


def test_no_other_status_has_failed():
    others = ("ok", "inaccurate", "partial", "disturbed", "unstable", "pending", "excluded", "unsupported")
    assert not any(map(has_failed, others))
