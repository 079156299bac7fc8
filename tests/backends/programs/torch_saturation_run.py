"""Prints which INT8 products saturate, and what the harness says of them."""

import json

import torch

from harness.backends.torch_common import saturation, verify
from harness.errors import StageError

products = []
for left, right in ARGS:
    out, pairs, saturated = saturation.product(torch.tensor(left).float(), torch.tensor(right).float())
    products.append([out.tolist(), pairs, saturated])

torch.manual_seed(0)


def layer(scale_of, zero_point):
    """Return a layer of fake-quantized input and weight, as converted networks have them."""
    numbers, bias = torch.rand(8, 32) * 6 - 3, torch.randn(8)
    weight = torch.quantize_per_channel(numbers, torch.full((8,), 3 / 127), torch.zeros(8), 0, torch.qint8)

    def run(x):
        codes = torch.quantize_per_tensor(x, scale_of, zero_point, torch.quint8)
        return torch.nn.functional.linear(codes.dequantize(), weight.dequantize(), bias)

    return run


wide, batches = layer(12 / 255, 20), [torch.rand(n, 32) * 11 for n in (1, 5)]


def saturated(x):
    return saturation.saturating(lambda: wide(x))[0]


def told(act):
    try:
        return act()
    except StageError as error:
        return [error.kind, error.message]


exact = verify.require_same(wide, wide, batches, "int8")
same = verify.require_same(saturated, wide, batches, "int8")
narrow = layer(12 / 127, 10)
small = verify.require_same(narrow, narrow, [batch / 2.2 for batch in batches], "int8")
faulty = {
    "another layer": told(lambda: verify.require_same(layer(12 / 255, 20), wide, batches, "int8")),
    "saturates in fp32": told(lambda: verify.require_same(saturated, wide, batches, "fp32")),
    "classes in another order": told(
        lambda: verify.require_same(lambda x: saturated(x).roll(1, 1), wide, batches, "int8")
    ),
    "not a number": told(lambda: verify.require_same(lambda x: saturated(x) * torch.nan, wide, batches, "int8")),
}
differs = float((saturated(batches[1]) - wide(batches[1])).abs().max())
print(
    json.dumps(
        {
            "products": products,
            "exact": exact,
            "same": same,
            "small": small,
            "faulty": faulty,
            "differs": differs,
            "bound": 0.2 * float(wide(batches[1]).abs().max()),
        }
    )
)
