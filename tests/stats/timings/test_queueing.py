"""The rate that a server can keep, against closed forms of queueing theory and what few queries tell of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.timings.queueing import highest_rate, service_ns


@pytest.mark.parametrize(("share", "limit"), [(0.9, 0.1), (0.99, 0.1), (0.9, 0.5)])
def test_of_exponential_services_it_is_the_closed_form(share: float, limit: float) -> None:
    # M/M/1: the time in the system is exponential with rate mu - lambda (L. Kleinrock, Queueing Systems I, 1975).
    mu = 100.0
    services = np.random.default_rng(1).exponential(1e9 / mu, 200_000)
    wanted = mu - math.log(1 / (1 - share)) / limit
    assert highest_rate(services, share, limit * 1e9) == pytest.approx(wanted, rel=0.02)


def test_of_equal_services_it_is_the_rate_at_which_the_queue_is_as_short() -> None:
    # M/D/1 with service 1: P(wait <= t) for t below 2 is (1 - r) (exp(r t) - r (t - 1) exp(r (t - 1)) [t >= 1])
    # (A. K. Erlang 1909); the wait allowed by a limit of 2.5 is 1.5.
    def within(rate: float, wait: float = 1.5) -> float:
        return (1 - rate) * (math.exp(rate * wait) - rate * (wait - 1) * math.exp(rate * (wait - 1)))

    found = highest_rate([1e9], 0.9, 2.5e9)
    assert within(found) == pytest.approx(0.9, abs=0.005)


def test_few_queries_of_a_slow_model_give_the_rate_without_bias() -> None:
    generator = np.random.default_rng(2)
    truth = highest_rate(generator.normal(30e6, 1e6, 100_000), 0.9, 100e6)
    found = []
    for _ in range(15):  # runs of 64 queries at some rate
        services = generator.normal(30e6, 1e6, 64)
        due = np.cumsum(generator.exponential(1e9 / 22, 64))
        done = np.empty(64)
        for query in range(64):
            done[query] = max(due[query], done[query - 1] if query else 0.0) + services[query]
        assert service_ns(due, done - due) == pytest.approx(services, abs=1)
        found.append(highest_rate(service_ns(due, done - due), 0.9, 100e6))
    assert np.mean(found) == pytest.approx(truth, rel=0.01)
    assert np.std(found) < 0.02 * truth


@settings(max_examples=12, deadline=None)
@given(st.floats(1e6, 1e9), st.floats(0.5, 0.99))
def test_it_is_below_what_one_after_the_other_allows_and_none_for_a_limit_that_nothing_keeps(
    service: float, share: float
) -> None:
    assert highest_rate([service], share, service * 0.99) is None
    assert 0 < highest_rate([service], share, service * 3) < 1e9 / service
