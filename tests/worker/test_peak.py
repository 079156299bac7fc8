"""The stage `peak` times products of 8-bit codes that are right, by every engine, and takes the fastest."""

from __future__ import annotations

import pytest

from harness.worker import peak
from tests.backend_env import environment_python, run_in

_SCRIPT = """
import io, torch
from harness.worker import peak
from harness.worker.channel import Report

found = {"engines": list(torch.backends.quantized.supported_engines), "off": {}}
for engine in set(peak.ENGINES) & set(torch.backends.quantized.supported_engines):
    torch.backends.quantized.engine = engine
    size = 96
    left, right = peak.matrices(size)
    made = peak.product(size)()
    # In whole numbers: codes times codes, then rounded to the codes of the result.
    sums = left.int_repr().long() @ right.int_repr().long().T
    wanted = (sums.double() / 127 / 127 / (size / 127) + 128).round().clamp(0, 255)
    found["off"][engine] = float((made.int_repr().double() - wanted).abs().max())

# A clock of the test's own: the second engine is four times as fast as the others.
peak.SIZES, peak.SECONDS = (64,), 0.0
speeds = {"fbgemm": 4e-3, "onednn": 1e-3, "x86": 4e-3}
peak.fastest_seconds = lambda work: (work(), speeds[torch.backends.quantized.engine])[1]
spec = {"seed": 0, "threads": 2, "cores": [1, 0]}
found["told"] = peak.run(spec, None, Report(io.StringIO()))
found["torch"] = torch.__version__
print(json.dumps(found))
"""


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
