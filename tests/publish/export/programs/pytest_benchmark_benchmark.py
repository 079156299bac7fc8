"""Two benchmarks of a user's own, in one group."""

import pytest


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.benchmark(group="sums")
def test_sum(benchmark, size):
    benchmark.pedantic(sum, args=([size],), rounds=5)
