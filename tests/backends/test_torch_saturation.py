"""Saturating sums as made cases, which any host can run: what they give, and what the verification makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.backend_env import environment_python, program_text, run_in

pytestmark = pytest.mark.backend("torch")

_RUN = program_text(__file__, "torch_saturation_run")


def _codes() -> list[tuple[np.ndarray, np.ndarray]]:
    generator = np.random.default_rng(0)
    shapes = [(1, 2, 1), (3, 7, 5), (4, 64, 9), (70, 32, 3)]
    cases = [(generator.integers(0, 256, (r, k)), generator.integers(-128, 128, (k, n))) for r, k, n in shapes]
    return [*cases, (np.full((2, 4), 255), np.full((4, 1), 127)), (np.full((1, 3), 255), np.full((3, 1), -128))]


def _in_sixteen_bits(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, int]:
    """As VPMADDUBSW and VPADDD do: two products added with saturation in 16 bits, the sums of those in 32."""
    out, saturated = np.zeros((left.shape[0], right.shape[1]), np.int32), 0
    for k in range(0, left.shape[1], 2):
        pair = sum(
            left[:, [i]].astype(np.int32) * right[[i]].astype(np.int32) for i in range(k, min(k + 2, len(right)))
        )
        clipped = np.clip(pair, -32768, 32767)
        saturated += int((clipped != pair).sum())
        out += clipped
    return out, saturated


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    cases = [[left.tolist(), right.tolist()] for left, right in _codes()]
    return run_in(environment_python("torch"), _RUN, *cases)


def test_products_are_those_of_sums_that_saturate_in_16_bits(found: dict[str, Any]) -> None:
    for (left, right), (out, pairs, saturated) in zip(_codes(), found["products"], strict=True):
        wanted, count = _in_sixteen_bits(left, right)
        np.testing.assert_array_equal(np.array(out), wanted)
        assert (pairs, saturated) == (left.shape[0] * -(-left.shape[1] // 2) * right.shape[1], count)


def test_255_times_127_loses_half_and_127_times_127_nothing(found: dict[str, Any]) -> None:
    assert found["products"][-2][0] == [[2 * 32767.0]] * 2  # of 4 * 255 * 127 = 129540


def test_an_artefact_that_saturates_is_accepted_and_told(found: dict[str, Any]) -> None:
    assert found["differs"] > found["bound"]  # so the exact sums alone would have refused it
    assert found["same"]["int16_sums"]["saturate"] is True
    assert found["same"]["int16_sums"]["largest_difference"] == 0
    assert found["same"]["largest_difference_from_module"] == pytest.approx(found["differs"], rel=1e-4)


def test_an_artefact_that_does_not_saturate_is_accepted_and_told(found: dict[str, Any]) -> None:
    assert found["exact"]["largest_difference_from_module"] == 0
    assert found["exact"]["int16_sums"]["saturate"] is False and found["exact"]["int16_sums"]["share"] > 0


def test_where_nothing_saturates_nothing_is_told(found: dict[str, Any]) -> None:
    sums = found["small"]["int16_sums"]
    assert (sums["saturate"], sums["share"]) == (None, 0.0) and sums["largest_difference"] < 1e-4


@pytest.mark.parametrize("fault", ["another layer", "saturates in fp32", "classes in another order", "not a number"])
def test_a_fault_of_an_exporter_is_an_error_all_the_same(found: dict[str, Any], fault: str) -> None:
    kind, message = found["faulty"][fault]
    assert kind == "error" and message.startswith("the artefact's logits differ from its module's by ")
