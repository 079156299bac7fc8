"""The stage `peak` times products of 8-bit codes that are right, by every engine, and takes the fastest."""

from __future__ import annotations

import pytest

from harness.worker.stages import peak
from tests.backend_env import environment_python, program_text, run_in

_SCRIPT = program_text(__file__, "peak_script")


@pytest.fixture(scope="module")
def seen():
    return run_in(environment_python("torch"), _SCRIPT)


def test_each_engine_multiplies_codes_of_eight_bits(seen):
    assert {"fbgemm", "onednn", "x86"} <= set(seen["engines"])
    # A result between two codes may be rounded either way.
    assert seen["off"].keys() == set(peak.ENGINES) and max(seen["off"].values()) <= 1


def test_the_fastest_engine_is_told_in_multiplications_a_second(seen):
    told = {"int8_per_second": pytest.approx(64**3 / 1e-3), "size": 64, "threads": 2, "cores": [0, 1]}
    assert seen["told"] == {**told, "kernel": f"onednn of torch {seen['torch']}"}


def test_what_others_take_only_ever_makes_a_product_longer(monkeypatch):
    clock, lengths = [0.0], iter([9.0, 1.0, 0.25, 1.0, 3.0, 2.0, *[1.0] * 100])

    def work():
        clock[0] += next(lengths)

    monkeypatch.setattr(peak.time, "perf_counter", lambda: clock[0])
    assert peak.fastest_seconds(work) == 0.25
