"""Saturating sums as made cases, which any host can run: what they give, and what the verification makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.backend_env import environment_python, run_in

pytestmark = pytest.mark.backend("torch")

_RUN = """
import torch
from harness.backends import torch_saturation, torch_verify
from harness.errors import StageError

products = []
for left, right in ARGS:
    out, pairs, saturated = torch_saturation.product(torch.tensor(left).float(), torch.tensor(right).float())
    products.append([out.tolist(), pairs, saturated])

torch.manual_seed(0)

def layer(scale_of, zero_point):
    \"\"\"Return a layer of fake-quantized input and weight, as converted networks have them.\"\"\"
    numbers, bias = torch.rand(8, 32) * 6 - 3, torch.randn(8)
    weight = torch.quantize_per_channel(numbers, torch.full((8,), 3 / 127), torch.zeros(8), 0, torch.qint8)

    def run(x):
        codes = torch.quantize_per_tensor(x, scale_of, zero_point, torch.quint8)
        return torch.nn.functional.linear(codes.dequantize(), weight.dequantize(), bias)

    return run

wide, batches = layer(12 / 255, 20), [torch.rand(n, 32) * 11 for n in (1, 5)]

def saturated(x):
    return torch_saturation.saturating(lambda: wide(x))[0]

def told(act):
    try:
        return act()
    except StageError as error:
        return [error.kind, error.message]

exact = torch_verify.require_same(wide, wide, batches, "int8")
same = torch_verify.require_same(saturated, wide, batches, "int8")
narrow = layer(12 / 127, 10)
small = torch_verify.require_same(narrow, narrow, [batch / 2.2 for batch in batches], "int8")
faulty = {
    "another layer": told(lambda: torch_verify.require_same(layer(12 / 255, 20), wide, batches, "int8")),
    "saturates in fp32": told(lambda: torch_verify.require_same(saturated, wide, batches, "fp32")),
    "classes in another order": told(
        lambda: torch_verify.require_same(lambda x: saturated(x).roll(1, 1), wide, batches, "int8")
    ),
    "not a number": told(lambda: torch_verify.require_same(lambda x: saturated(x) * torch.nan, wide, batches, "int8")),
}
differs = float((saturated(batches[1]) - wide(batches[1])).abs().max())
print(json.dumps({"products": products, "exact": exact, "same": same, "small": small, "faulty": faulty,
                  "differs": differs, "bound": 0.2 * float(wide(batches[1]).abs().max())}))
"""


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
