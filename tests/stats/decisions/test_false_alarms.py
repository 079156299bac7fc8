"""200 and more A/A comparisons, simulated and replayed: how often a change is reported.

``python -m suites.evidence.false_alarms results/runs/RUN.jsonl`` prints the tables of which these are the bounds.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from harness.commands import compare
from harness.stats.decisions.changes import Rule
from suites.evidence import false_alarms, replay, rules, sequences
from suites.evidence.replay import Share, Source
from suites.evidence.sequences import Invocations

RESULTS = Path(__file__).resolve().parents[3] / "results"

#: Real invocations in which nothing was changed, and those beside which two busy loops ran on two cores.
UNCHANGED = RESULTS / "runs" / "20261124T141048Z-feature_matrix-ecc7.jsonl"
LOADED = RESULTS / "evidence" / "loaded.jsonl"

#: Both sides of an A/A whose pairs were timed interleaved, on a shared host.
IN_TURNS = [
    RESULTS / "runs" / f"{name}.jsonl"
    for name in ("20261128T214311Z-quickstart-d554", "20261128T214311Z-quickstart-94e5")
]

PAIRS = 10
MOST = 0.03


def _reported(source: Source, order: str, rule: Rule | None = None) -> Share:
    told = replay.words(replay.judged(source, order, rule=rule))
    return Share(sum(told[word] for word in rules.REPORTED), told.total())


@pytest.fixture(scope="module")
def simulated() -> dict[str, Source]:
    """Return 1000 comparisons of each kind of simulated noise."""
    return {source.name: source for source in replay.draw({}, np.random.default_rng(20261124), 1000, PAIRS)}


@pytest.fixture(scope="module")
def real() -> dict[str, Source]:
    """Return 200 comparisons of each series of real invocations."""
    found = false_alarms.sources([UNCHANGED], np.random.default_rng(5), 200, PAIRS)
    return {source.name: source for source in found if source.is_real}


@pytest.mark.slow
@pytest.mark.parametrize("kind", sequences.KINDS)
def test_at_most_three_percent_false_alarms_on_simulated_noise(simulated, kind):
    for rule in (simulated[kind].rule, Rule()):
        told = _reported(simulated[kind], "ABBA", rule)
        assert told.comparisons == 1000 and told.share <= MOST and told.upper <= 0.035, rule


@pytest.mark.parametrize("series", ["latency", "throughput", "gemm", "stream"])
def test_at_most_three_percent_false_alarms_on_real_samples(real, series):
    for rule in (real[f"real {series}"].rule, Rule()):
        told = _reported(real[f"real {series}"], "ABBA", rule)
        assert told.comparisons == 200 and told.share <= MOST, rule


@pytest.fixture(scope="module")
def in_turns() -> dict[str, Source]:
    """Return 200 overlapping comparisons of the interleaved A/A, of as many pairs as ``harness compare`` takes."""
    found = false_alarms.sources(IN_TURNS, np.random.default_rng(6), 200, compare.PAIRS)
    return {source.name: source for source in found if source.is_real}


@pytest.mark.slow
@pytest.mark.parametrize("series", ["latency", "throughput"])
def test_at_most_three_percent_false_alarms_in_turns(in_turns, series):
    for rule in (in_turns[f"real {series}"].rule, Rule()):
        told = _reported(in_turns[f"real {series}"], "ABBA", rule)
        assert told.comparisons == 200 and told.share <= MOST, rule


@pytest.mark.slow
def test_a_slow_down_of_three_percent_is_found_in_turns_on_a_shared_host(in_turns):
    source = in_turns["real latency"]
    told = replay.words(replay.judged(source, "ABBA", factor=1.03))
    assert told["slower"] >= 0.9 * told.total() and told["faster"] == told["equivalent"] == 0
    # The same passes as two processes that were timed apart, whose turns nobody knows: found seldom or never.
    apart = dataclasses.replace(source, rows=dataclasses.replace(source.rows, turns=None))
    assert replay.words(replay.judged(apart, "ABBA", factor=1.03))["slower"] < 0.7 * told["slower"]


@pytest.mark.slow
def test_rules_on_pooled_iterations_cry_wolf_on_the_same_samples(simulated, real):
    """The measured shares that the README shows; what they owe to the rule and what to the order of execution."""
    simulated = {
        name: dataclasses.replace(source, rows=source.rows[np.arange(300)]) for name, source in simulated.items()
    }
    for source in (*simulated.values(), *real.values()):
        interleaved = replay.others(source, "ABBA")
        assert interleaved["pyperf: t test on pooled iterations"].share > 0.10, source.name
    white = replay.others(simulated["white"], "ABBA")
    assert white["paired t test on invocations"].share == pytest.approx(0.05, abs=0.03)
    assert white["asv: Mann-Whitney on pooled iterations"].share > 0.2
    drifting = {order: replay.others(simulated["autocorrelated"], order) for order in replay.ORDERS}
    for name in ("paired t test on invocations", "pyperf: t test on pooled iterations"):
        assert drifting["AABB"][name].share > 0.4 > drifting["ABBA"][name].share


def test_one_side_after_the_other_is_never_an_all_clear(simulated):
    told = replay.words(replay.judged(simulated["autocorrelated"], "AABB"))
    assert told["equivalent"] == 0


def test_a_slow_down_of_three_percent_is_found_on_a_quiet_host():
    """Processes that differ by 1 %, as pinned ones on a quiet host do; ten pairs are the protocol `standard`."""
    generator = np.random.default_rng(1)
    quiet = sequences.KINDS["white"](generator, (204, 2 * PAIRS)) / 2
    samples = np.exp(quiet[..., None] + generator.normal(0, 0.02, (*quiet.shape, sequences.ITERATIONS)))
    noise = replay.noise(Invocations(samples[:4]))
    source = Source("quiet", False, Invocations(samples[4:]), 200, noise)
    told = replay.words(replay.judged(source, "ABBA", factor=1.03))
    assert told["slower"] >= 0.9 * told.total() and told["faster"] == told["equivalent"] == 0
    # By the noncentral t distribution; the floor of the A/A may cost some of it.
    deviation = float(np.std(quiet)) * math.sqrt(2)
    effect = math.log(1.03) / deviation * math.sqrt(PAIRS)
    assert stats.nct.sf(stats.t.ppf(0.975, PAIRS - 1), PAIRS - 1, effect) > 0.9


def test_a_loaded_host_never_gives_an_all_clear():
    """Real invocations beside two busy loops: a slow-down of 3 % is not called equivalent, nor is nothing a change."""
    sequence = sequences.real([LOADED])["latency"]
    assert np.median(sequence.foreign) > 0.2, "the samples are not those of a loaded host"
    rows = sequences.windows(sequence, np.random.default_rng(2), (100, 2 * PAIRS))
    a, b = replay.deal(rows, "ABBA")
    for factor in (1.0, 1.03):
        # Without an A/A there is no floor that could hold a verdict back.
        slower = dataclasses.replace(b, samples=b.samples * factor)
        assert replay.words(rules.harness(a, slower, Rule(), interleaved=True)) == {"inconclusive": 100}


def test_interleaving_cancels_a_linear_drift_and_blocks_do_not():
    drift = np.exp(0.01 * np.arange(20.0))[None, :, None]
    for order, wanted in (("ABBA", 0.0), ("AABB", 0.1)):
        a, b = replay.deal(Invocations(drift), order)
        assert np.log(b.samples).mean() - np.log(a.samples).mean() == pytest.approx(wanted, abs=1e-12)
        together = np.sort(np.concatenate([a.samples.ravel(), b.samples.ravel()]))
        assert (together == drift.ravel()).all()


def test_rules_of_others_are_those_of_their_sources():
    generator = np.random.default_rng(3)
    for shift in (1.0, 1.02, 1.06, 1.2):
        a, b = (Invocations(factor * np.exp(generator.normal(0, 0.05, (30, 4, 6)))) for factor in (1.0, shift))
        for row in range(30):
            one, other = a.samples[row].ravel(), b.samples[row].ravel()
            # pyperf/_utils.py: tscore over the pooled variance, against Student's critical value.
            pooled = (((one - one.mean()) ** 2).sum() + ((other - other.mean()) ** 2).sum()) / (2 * len(one) - 2)
            score = abs(one.mean() - other.mean()) / math.sqrt(2 * pooled / len(one))
            assert rules.pyperf(a, b)[row] == (score >= stats.t.ppf(0.975, 2 * len(one) - 2))
            # asv/_stats.py: the normal approximation of U, without a correction for continuity.
            count = len(one)
            u = sum(float(x > y) for x in one for y in other)
            z = (min(u, count**2 - u) - count**2 / 2) / math.sqrt(count**2 * (2 * count + 1) / 12)
            assert rules.asv(a, b)[row] == (math.erfc(-z / math.sqrt(2)) < 0.002)
            assert rules.pytest_benchmark(a, b)[row] == (other.mean() / one.mean() - 1 > 0.05)


@pytest.mark.slow
def test_the_tables_and_the_picture_are_written(tmp_path, capsys):
    arguments = [str(UNCHANGED), "--comparisons", "5", "--pairs", "8", "--out", str(tmp_path)]
    false_alarms.main(arguments)
    first = (tmp_path / "false_alarms.svg").read_bytes()
    text = (tmp_path / "false_alarms.md").read_text()
    assert text.strip() == capsys.readouterr().out.strip()
    assert text.count("harness compare, before any A/A") == 3 and "real gemm" in text
    false_alarms.main(arguments)
    assert (tmp_path / "false_alarms.svg").read_bytes() == first
