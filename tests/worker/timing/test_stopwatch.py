from __future__ import annotations

import gc
import importlib.util
import itertools
import time
import weakref

import pytest

from harness.worker.timing.stopwatch import own_cost_ns, timed, undisturbed
from suites.evidence import slowed

pytestmark = pytest.mark.alone


def run(forward, length=100, **limits):
    samples = [-1] * length
    rule = {"seconds": 0.0, "minimum": 1, "limit_seconds": 1e6, "floor": 1, **limits}
    count, output = timed(forward, itertools.cycle(range(3)), samples, **rule)
    assert samples[count:] == [-1] * (length - count)
    assert all(sample >= 0 for sample in samples[:count])
    return count, output, samples[:count]


def test_it_makes_the_minimum_when_the_seconds_are_reached_first():
    assert run(lambda batch: batch, minimum=7)[:2] == (7, 0)


def test_it_goes_on_until_the_seconds_are_reached():
    count, _, samples = run(lambda batch: time.sleep(0.002), seconds=0.02, minimum=2)
    assert 2 <= count <= 10
    assert min(samples) >= 2_000_000


def test_a_slow_series_ends_at_the_limit_but_not_below_the_floor():
    assert run(lambda batch: time.sleep(0.002), minimum=90, limit_seconds=0.0, floor=5)[0] == 5
    count = run(lambda batch: time.sleep(0.002), minimum=90, limit_seconds=0.02, floor=2)[0]
    assert 2 <= count <= 10


def test_it_ends_when_the_samples_are_full():
    assert run(lambda batch: batch, length=4, minimum=50)[0] == 4


def test_batches_are_cycled_across_calls_and_none_is_lost():
    seen: list[int] = []
    batches = itertools.cycle("abc")
    for count in (2, 2, 3):
        timed(seen.append, batches, [0] * count, seconds=0, minimum=count, limit_seconds=1e6, floor=1)
    assert "".join(seen) == "abcabca"


def test_the_output_before_is_freed_before_the_clock_runs():
    class Output:
        pass

    last: list[weakref.ref] = []

    def forward(batch):
        assert not last or last[-1]() is None
        output = Output()
        last.append(weakref.ref(output))
        return output

    _, output, _ = run(forward, minimum=10)
    assert last[-1]() is output


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_as_it_was_even_after_an_error(enabled):
    was = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(KeyError), undisturbed():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()


def test_the_own_cost_is_that_of_two_clock_readings_and_little_else():
    clock, count = time.perf_counter_ns, 500
    reading = min(_readings(clock, count) for _ in range(20)) / count
    # Wide bounds: this host may be busy with other work.
    assert reading < own_cost_ns() < 50 * reading


def _readings(clock, count: int) -> int:
    start = clock()
    for _ in range(count):
        clock()
    return clock() - start


def test_the_slowed_copy_that_comparisons_must_find_is_slower_by_its_share(tmp_path):
    folder = slowed.write(tmp_path, 0.25)
    spec = importlib.util.spec_from_file_location(
        "slowed_stopwatch", folder / "harness" / "worker" / "timing" / "stopwatch.py"
    )
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    now = [0]

    class Clock:
        @staticmethod
        def perf_counter_ns() -> int:
            now[0] += 1
            return now[0]

    def forward(batch):
        now[0] += 1_000_000

    copy.time, samples = Clock, [0]
    copy.timed(forward, iter([None]), samples, seconds=0, minimum=1, limit_seconds=1, floor=1)
    assert 1_250_000 <= samples[0] < 1_250_010
