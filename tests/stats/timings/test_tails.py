"""Percentiles stand only where the binomial distribution says that the samples can bear them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.stats.timings.tails import fewest_samples, percentile


@pytest.mark.parametrize(
    # Hahn and Meeker, Statistical Intervals: the smallest samples for a distribution-free interval of a percentile.
    ("share", "confidence", "fewest"),
    [(0.5, 0.95, 6), (0.9, 0.95, 29), (0.95, 0.95, 59), (0.99, 0.95, 299), (0.99, 0.99, 459), (0.9, 0.99, 44)],
)
def test_the_fewest_samples_are_those_of_the_tables(share, confidence, fewest):
    assert fewest_samples(share, confidence) == fewest


@pytest.mark.parametrize("share", [0.9, 0.99])
def test_no_interval_exists_below_and_one_does_from_there_on(share):
    def widest(samples: int) -> float:
        """Return how surely the percentile is between the smallest and the largest sample."""
        return stats.binom.cdf(samples - 1, samples, share) - stats.binom.cdf(0, samples, share)

    fewest = fewest_samples(share)
    assert widest(fewest - 1) < 0.95 <= widest(fewest)
    assert percentile(np.arange(fewest - 1), share) is None and percentile(np.arange(fewest), share) is not None


@pytest.mark.parametrize("latencies", [stats.lognorm(1), stats.expon()], ids=["lognormal", "exponential"])
@pytest.mark.parametrize(("share", "samples"), [(0.9, 29), (0.99, 299)])
def test_a_further_pass_is_slower_as_often_as_the_percentile_says(latencies, share, samples):
    series = latencies.rvs((2000, samples), random_state=samples)
    exceeded = latencies.sf([percentile(one, share) for one in series])
    assert np.mean(exceeded) == pytest.approx(1 - share, rel=0.05)
    # Of 12 samples, interpolated between the last two as tables once did, it was eight times as often as it says.
    few = latencies.sf(np.percentile(series[:, :12], 99, axis=1))
    assert np.mean(few) > 0.075


def test_a_sample_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="finite"):
        percentile([1.0, np.nan] * 50, 0.9)
