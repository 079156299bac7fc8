"""Perplexity and its intervals: against a closed form, and the coverage of the interval of a difference."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.stats.predictions.accuracy import criterion, metric_interval, paired_difference


def test_it_is_the_exponential_of_the_mean_loss_of_a_token():
    assert metric_interval("perplexity", [math.log(8), math.log(2)], [1, 2]).estimate == pytest.approx(
        8 ** (1 / 3) * 2 ** (2 / 3)
    )


def test_a_uniform_model_has_the_size_of_its_vocabulary_without_doubt():
    interval = metric_interval("perplexity", [math.log(50)] * 12, [255] * 12)
    assert (interval.low, interval.estimate, interval.high) == pytest.approx((50, 50, 50))


def test_the_difference_is_paired_so_that_hard_texts_do_not_widen_it():
    generator = np.random.default_rng(0)
    texts = generator.normal(3, 1, 40)
    worse = texts + 0.1 + generator.normal(0, 0.001, 40)
    tokens = np.full(40, 255.0)
    difference = paired_difference("perplexity", worse, texts, tokens)
    alone = metric_interval("perplexity", texts, tokens)
    base = math.exp(texts.mean())
    assert difference.estimate == pytest.approx(math.exp(worse.mean()) - base)
    assert difference.high - difference.low < (alone.high - alone.low) / 5
    # A rise of 10.5 % is no loss of 1 %; lower is better.
    assert criterion(difference, base, 0.01, True, greater_is_better=False).state == "failed"
    assert criterion(difference, base, 0.2, True, greater_is_better=False).state == "met"


def test_the_interval_covers_the_difference_about_as_often_as_it_says():
    generator = np.random.default_rng(1)
    tokens, hits = np.full(40, 255.0), 0
    true = math.exp(3) * (math.exp(0.05) - 1)
    for trial in range(60):
        texts = generator.normal(3, 0.5, 40)
        worse = texts + generator.normal(0.05, 0.05, 40)
        found = paired_difference("perplexity", worse, texts, tokens, seed=trial)
        hits += found.low <= true <= found.high
    # 95 % of 60 are 57; fewer than 51 or more than all would be another interval.
    assert 51 <= hits <= 60
