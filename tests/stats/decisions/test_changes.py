"""Verdicts on simulated invocations whose truth is known, and the guards: floor, load, control, too few pairs."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter

import numpy as np
import pytest

from harness.stats.decisions.changes import (
    Rule,
    Subject,
    changes_of_ratios,
    fewest_pairs,
    paired_changes,
    unpaired_changes,
)
from harness.stats.timings.disturbance import Invocation, foreign_share
from harness.stats.timings.estimate import paired_ratio
from harness.stats.timings.pairs import quotient

MS = 1e6
PAIRS = 12


def variants(
    generator: np.random.Generator,
    *,
    change: float = 0.0,
    noise: float = 0.01,
    pairs: int = PAIRS,
    foreign: float = 0.005,
    control: float = 1.0,
    drift: float = 0.0,
) -> Subject:
    """Return two variants interleaved: the other takes `change` longer, its control `control` times as long."""
    one, other = {}, {}
    for pair in range(pairs):
        places = (2 * pair, 2 * pair + 1) if pair % 2 == 0 else (2 * pair + 1, 2 * pair)
        for variant, place, factor in ((one, places[0], 1.0), (other, places[1], 1 + change)):
            level = 20 * MS * factor * math.exp(drift * place + generator.normal(0, noise))
            gemm = MS * (control if variant is other else 1.0) * math.exp(generator.normal(0, 0.002))
            variant[pair] = Invocation(level, gemm, 3 * gemm, foreign)
    return Subject(one, other, "torch")


def verdicts(subjects: list[Subject], rule: Rule) -> Counter[str]:
    return Counter(change.verdict for change in paired_changes(subjects, rule))


@pytest.mark.slow
def test_a_change_is_found_and_its_absence_too():
    generator = np.random.default_rng(1)
    slower = [variants(generator, change=0.05) for _ in range(40)]
    faster = [variants(generator, change=-0.05) for _ in range(40)]
    same = [variants(generator) for _ in range(40)]
    found = paired_changes([*slower, *faster, *same], Rule(floor=0.01))
    words = [change.verdict for change in found]
    assert Counter(words[:40])["slower"] >= 38 and Counter(words[40:80])["faster"] >= 38
    assert Counter(words[80:])["equivalent"] >= 36
    assert not {"faster", "slower"} & set(words[80:])
    first = found[0].ratio
    assert first.low < 1 / 1.05 < first.high and first.pairs == PAIRS


def test_the_same_on_both_variants_raises_few_alarms_also_where_noise_is_not_normal():
    generator = np.random.default_rng(2)
    alarms = 0
    for trial in range(100):
        subject = variants(generator, noise=0.02, drift=0.003)
        for variant in (subject.one, subject.other):
            for pair, one in variant.items():
                # Spikes of 30 % in one of eight invocations, or two modes 5 % apart.
                spike = 1.3 if trial % 2 and generator.random() < 0.125 else 1.0
                mode = 1.0 if trial % 2 else generator.choice([1.0, 1.05])
                variant[pair] = Invocation(one.level_ns * spike * mode, one.gemm_ns, one.stream_ns, one.foreign_share)
        alarms += paired_changes([subject], Rule())[0].verdict in ("faster", "slower")
    assert alarms <= 6


def test_linear_drift_cancels_from_pairs_in_turns():
    subject = variants(np.random.default_rng(0), noise=0.0, drift=0.01)
    levels = ({pair: one.level_ns for pair, one in variant.items()} for variant in (subject.one, subject.other))
    assert paired_ratio(*levels).estimate == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    ("made", "rule", "words"),
    [
        ({"change": 0.04}, Rule(floor=0.06), "within this host's floor of 6.0%"),
        ({"change": 0.0}, Rule(floor=0.03), "floor of 3.0% is above the margin of 2.0%"),
        ({"change": 0.05, "foreign": 0.2}, Rule(), "busy with something else in 12 of 12 pairs"),
        ({"change": 0.0, "foreign": 0.2}, Rule(), "busy with something else in 12 of 12 pairs"),
        ({"change": 0.05, "control": 1.05}, Rule(), "control (gemm) differs by"),
        ({"change": 0.0, "control": 0.95}, Rule(), "control (gemm) differs by"),
        ({"change": 0.05, "pairs": 6}, Rule(), "6 pairs, want 7 or more"),
        ({"change": 0.01, "noise": 0.05}, Rule(), "neither a change nor its absence"),
    ],
)
def test_what_stands_in_the_way_is_inconclusive_and_says_why(made, rule, words):
    (change,) = paired_changes([variants(np.random.default_rng(3), **made)], rule)
    assert change.verdict == "inconclusive"
    assert words in change.because


def test_disturbed_pairs_do_not_count_and_the_others_decide():
    subject = variants(np.random.default_rng(4), change=0.05)
    for pair in (1, 2, 7):
        one = subject.other[pair]
        subject.other[pair] = Invocation(one.level_ns * 3, one.gemm_ns * (1.5 if pair == 7 else 1.0), one.stream_ns,
                                         0.0 if pair == 7 else 0.4)  # fmt: skip
    (change,) = paired_changes([subject], Rule(floor=0.01))
    assert (change.verdict, change.left_out, change.ratio.pairs) == ("slower", 3, PAIRS - 3)
    assert change.ratio.estimate == pytest.approx(1 / 1.05, abs=0.02)


def test_a_control_of_another_numpy_is_not_held_against_the_host():
    subject = variants(np.random.default_rng(5), change=0.05, control=1.3)
    even = {pair: Invocation(one.level_ns, one.gemm_ns, 3 * MS * (1 + pair % 3 / 1000), one.foreign_share)
            for pair, one in subject.other.items()}  # fmt: skip
    one = {pair: Invocation(each.level_ns, each.gemm_ns, 3 * MS * (1 + pair % 2 / 1000), each.foreign_share)
           for pair, each in subject.one.items()}  # fmt: skip
    assert paired_changes([Subject(one, even, "torch")], Rule())[0].verdict == "inconclusive"
    assert paired_changes([Subject(one, even, "torch", same_gemm=False)], Rule())[0].verdict == "slower"


def test_the_fewest_pairs_are_those_of_which_all_on_one_side_are_significant():
    # All six of one sign: 2 of 64 patterns are as extreme, 3.1 %; of five, 2 of 32, 6.3 %.
    assert fewest_pairs(0.05) == 6
    assert 2 / 2**6 <= 0.05 < 2 / 2**5


def test_runs_that_were_not_interleaved_are_changed_beyond_floor_and_drift_only():
    generator = np.random.default_rng(6)
    same, small, large = (variants(generator, change=change, noise=0.003) for change in (0.0, 0.03, 0.10))

    def words(rule: Rule) -> list[str]:
        return [change.verdict for change in unpaired_changes([same, small, large], rule)]

    assert words(Rule(floor=None)) == ["inconclusive"] * 3
    assert words(Rule(floor=0.02, drift=0.01)) == ["inconclusive", "slower", "slower"]
    assert words(Rule(floor=0.02, drift=0.05)) == ["inconclusive", "inconclusive", "slower"]


def test_ratios_of_two_hosts_are_divided_with_both_spreads():
    generator = np.random.default_rng(7)
    levels = [dict(enumerate(generator.normal(10, 0.05, 8))) for _ in range(4)]
    one, other = paired_ratio(levels[0], levels[1]), paired_ratio(levels[2], {k: v / 1.5 for k, v in levels[3].items()})
    (change,) = changes_of_ratios([(one, other)], Rule())
    assert change.verdict == "faster"
    assert change.ratio.estimate == pytest.approx(other.estimate / one.estimate)
    assert change.ratio.standard_error_log == pytest.approx(
        math.hypot(one.standard_error_log, other.standard_error_log)
    )
    assert changes_of_ratios([(None, other)], Rule())[0].verdict == "inconclusive"


def _reading(**changed: float) -> dict[str, float]:
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    return {**{f"{name}_ticks": 1000 for name in names}, "process_cpu_ns": 0, "monotonic_ns": 0, **changed}


def test_foreign_time_is_what_the_cores_did_beside_the_process():
    # Two cores for 10 s, 2000 ticks: 1700 at work, 900 of them this process's (9 s), 100 stolen, 200 idle.
    after = _reading(user_ticks=2500, system_ticks=1200, idle_ticks=1200, steal_ticks=1100,
                     process_cpu_ns=9e9, monotonic_ns=10e9)  # fmt: skip
    assert foreign_share(_reading(), after, 2) == pytest.approx(0.85 - 0.45 + 0.05 - 4 / 2000)
    assert foreign_share(_reading(), _reading(), 2) is None
    assert foreign_share(_reading(), {**after, "steal_ticks": None}, 2) is None


def test_a_disturbance_of_some_turns_cancels_from_a_pair():
    generator = np.random.default_rng(8)
    quiet = 1e7 * np.exp(generator.normal(0, 0.01, 16))
    # A neighbour takes half of the machine for six turns of both variants.
    slowed = np.where(np.arange(16) // 6 == 1, 2.0, 1.0)
    one, other = quiet * slowed, 1.03 * quiet * slowed
    pair = [Invocation(float(np.median(variant)), turns_ns=tuple(variant)) for variant in (one, other)]
    assert quotient(*pair) == pytest.approx(1 / 1.03, rel=1e-9)
    # Where one variant was timed alone, its level is all there is; so is it where turns do not match.
    alone = Invocation(float(np.median(other)))
    assert quotient(pair[0], alone) == pair[0].level_ns / alone.level_ns
    shorter = Invocation(pair[1].level_ns, turns_ns=pair[1].turns_ns[:-1])
    assert quotient(pair[0], shorter) == pair[0].level_ns / pair[1].level_ns


def test_a_series_has_its_own_floor():
    subject = dataclasses.replace(variants(np.random.default_rng(9), change=0.04, noise=0.005), series="latency")
    rule = Rule(floor=0.06, floors={"latency": 0.01})
    assert paired_changes([subject], rule)[0].verdict == "slower"
    other = dataclasses.replace(subject, series="throughput")
    assert "floor of 6.0%" in paired_changes([other], rule)[0].because


def test_what_the_partner_of_a_pair_used_is_no_disturbance():
    names = ("user", "nice", "system", "irq", "softirq", "idle", "iowait", "steal")
    before = {f"{name}_ticks": 0 for name in names} | {"process_cpu_ns": 0, "monotonic_ns": 0}
    # Two cores for ten seconds, each variant at work on both for half of it.
    after = before | {"user_ticks": 2000, "process_cpu_ns": int(10e9), "monotonic_ns": int(10e9)}
    assert foreign_share(before, after, 2) == pytest.approx(0.5, abs=0.01)
    assert foreign_share(before, after, 2, partner_cpu_ns=int(10e9)) == 0
