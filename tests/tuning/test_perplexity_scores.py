"""The scores of rows that make perplexity a mean: exact at the mean, and with the spread that resampling finds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.tuning.criterion import Bound, Criterion, judge
from harness.tuning.paired import difference_interval, perplexity_scores
from harness.tuning.subject import Evaluated
from suites.evidence.metric_intervals import percentile_bootstrap


@given(
    arrays(np.float64, 7, elements=st.floats(0, 12)),
    arrays(np.int64, 7, elements=st.integers(1, 300)),
)
def test_their_mean_is_the_perplexity_of_all_tokens(losses, tokens):
    wanted = math.exp(np.repeat(losses, tokens).mean())
    assert perplexity_scores(losses, tokens).mean() == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("rise", [0.0, 0.01, 0.3])
def test_their_paired_interval_is_that_of_resampled_rows(rise):
    generator = np.random.default_rng(3)
    texts = generator.normal(3.5, 0.4, 60)
    worse = texts + generator.normal(rise, 0.03, 60)
    tokens = generator.integers(100, 128, 60).astype(float)
    resampled = percentile_bootstrap("perplexity", worse, texts, tokens)
    low, high = difference_interval(perplexity_scores(worse, tokens), perplexity_scores(texts, tokens), 0.95)
    width = resampled.high - resampled.low
    assert (low + high) / 2 == pytest.approx(resampled.estimate)
    assert (low, high) == pytest.approx((resampled.low, resampled.high), abs=0.15 * width)


def test_a_criterion_on_perplexity_is_judged_by_them():
    generator = np.random.default_rng(4)
    tokens, texts = np.full(40, 127.0), generator.normal(3.5, 0.4, 40)
    criterion = Criterion((Bound("perplexity", 0.01, True, greater_is_better=False),))

    def evaluated(losses: np.ndarray) -> Evaluated:
        scores = perplexity_scores(losses, tokens)
        return Evaluated({"perplexity": float(scores.mean())}, rows=40, scores={"perplexity": scores})

    noise = generator.normal(0, 0.004, 40)
    states = {
        rise: judge(criterion, evaluated(texts), evaluated(texts + noise + rise)).state for rise in (0, 0.01, 0.1)
    }
    assert states == {0: "met", 0.01: "undecided", 0.1: "failed"}


def test_one_text_that_moved_does_not_show_that_the_others_never_will():
    generator = np.random.default_rng(5)
    tokens, texts = np.full(60, 127.0), generator.normal(3.5, 0.4, 60)
    moved = np.where(np.arange(60) == 7, texts + 0.2, texts)
    low, high = difference_interval(perplexity_scores(moved, tokens), perplexity_scores(texts, tokens), 0.95)
    # One in twenty texts that rises by 0.2 is not excluded by one in sixty.
    assert low <= 0 and high > math.exp(3.5) * math.expm1(0.2 / 20)
