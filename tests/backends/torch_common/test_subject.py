"""A torch model as a subject: offline recipes are torch's own, planted layers are found first."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.backend_env import environment_python, run_in
from tests.backends.torch_tiny import LINEARS

pytestmark = pytest.mark.backend("torch")

_RUN = """
from tests.backends.torch_common import subject_scenarios as scenarios
print(json.dumps({"known": scenarios.known(), "planted": scenarios.planted(), "corners": scenarios.corners()}))
"""

PLANTED = ["blocks.11.linear", "blocks.4.linear"]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return run_in(environment_python("torch"), _RUN)


def test_recipes_derived_offline_are_what_torch_makes_by_observing(found: dict[str, Any]) -> None:
    for name, (same, fp32) in found["known"]["recipes"].items():
        # Ranges agree to rounding; a code may differ by one where a value falls between two.
        assert same == math.inf or same > fp32 + 10, name
        assert fp32 > 15, name


def test_nothing_quantized_is_fp32(found: dict[str, Any]) -> None:
    divergence, size = found["known"]["nothing quantized"]
    assert divergence == 0
    assert size == found["known"]["size"][0]
    assert found["known"]["unchanged"]


def test_the_size_counts_codes_scales_and_zero_points(found: dict[str, Any]) -> None:
    fp32, weights, channels, int8 = found["known"]["size"]
    # The codes in place of FP32, a scale and a zero point for each channel, and those of each layer's input (4 + 8).
    assert int8 == fp32 - 4 * weights + weights + 16 * channels + 12 * LINEARS


def test_the_proxy_repeats_itself_exactly(found: dict[str, Any]) -> None:
    one, other = found["known"]["repeated"]
    assert one == other > 0


def test_an_op_saves_in_proportion_to_what_it_multiplies(found: dict[str, Any]) -> None:
    pooler, output = found["known"]["saving"]
    assert pooler == 60 * 64 * 64
    assert output == found["known"]["tokens"] * 128 * 64


def test_planted_layers_are_first_in_the_order(found: dict[str, Any]) -> None:
    assert sorted(found["planted"]["order"][:2]) == PLANTED


@pytest.mark.parametrize("timeout", ["0", "600"])
def test_planted_layers_are_found_within_the_bound_of_evaluations(found: dict[str, Any], timeout: str) -> None:
    tuned = found["planted"][timeout]
    assert tuned["trials"][0][0] == "inaccurate"
    assert (tuned["status"], tuned["fallback"]) == ("ok", PLANTED)
    assert len(tuned["trials"]) <= math.floor(math.log2(found["planted"]["ops"])) + 3


def test_a_clear_failure_ends_its_evaluation_early(found: dict[str, Any]) -> None:
    status, state, rows = found["planted"]["0"]["trials"][0]
    assert (status, state) == ("inaccurate", "failed") and rows < 600


def test_a_single_output_diverges_by_its_squared_error(found: dict[str, Any]) -> None:
    assert 0 < found["corners"]["regression"] < 0.01


@pytest.mark.parametrize(
    ("what", "kind", "line"),
    [
        ("op", "bad_config", "fallback: no linear layer '1'"),
        ("method", "bad_config", "method=stattic"),
        ("weight", "bad_config", "observer=kl: want int8, minmax"),
        ("no linear", "bad_data", "no floating-point linear layer"),
        ("infinite", "nan", "not finite"),
    ],
)
def test_what_cannot_be_done_is_named(found: dict[str, Any], what: str, kind: str, line: str) -> None:
    assert found["corners"][what][0] == kind and line in found["corners"][what][1]


def test_a_latency_is_the_median_of_several_runs_after_a_warm_up(found: dict[str, Any]) -> None:
    latency, calls = found["corners"]["latency"]
    # Each reading of the clock is 1000 ns after the last; two runs of the fifteen seem to take a millisecond more.
    assert latency == 1000
    assert calls == 5 + 15
