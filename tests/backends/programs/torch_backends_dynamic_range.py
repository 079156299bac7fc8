"""Prints whether the errors of dynamic layers of 8 and of 7 bits are half a step."""

import json

import torch

from harness.backends.torch_common.artefact import DynamicLinear

torch.backends.quantized.engine = "x86"
torch.manual_seed(0)
weight = torch.quantize_per_tensor(torch.eye(8), 1 / 127, 0, torch.qint8)
x = torch.linspace(-1, 1, 8)[None]
errors = {}
for reduce_range in (False, True):
    layer = DynamicLinear(8, 8, reduce_range=reduce_range)
    layer.set_weight_bias(weight, None)
    errors[reduce_range] = float((layer(x) - x).abs().max())
# Half a step of 2 / 255, and of 2 / 127.
print(json.dumps([errors[False] <= 1.01 / 255, 1.01 / 255 < errors[True] <= 1.01 / 127]))
