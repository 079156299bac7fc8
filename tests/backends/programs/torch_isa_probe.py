"""Prints the instruction sets of the kernels that quantized layers run."""

import json

import torch
from torch.ao.nn import quantized

from harness.backends.torch_common.precision import executed_precision

torch.set_num_threads(1)
found = {}
for engine in ("onednn", "fbgemm"):
    torch.backends.quantized.engine = engine
    layer = quantized.Linear(64, 32)
    weight = torch.full((32, 64), 127, dtype=torch.int8)
    layer.set_weight_bias(torch._make_per_tensor_quantized_tensor(weight, 1.0, 0), None)
    layer.scale, layer.zero_point = 64 * 255 * 127 / 255, 0
    for code in (255, 127):
        codes = torch.full((16, 64), code, dtype=torch.uint8)
        given = torch._make_per_tensor_quantized_tensor(codes, 1.0, 0)
        off = float((layer(given).dequantize() - 64 * code * 127).abs().max()) / layer.scale
        found[f"{engine} {code}"] = {
            "off": off,
            "kernels": dict(executed_precision(lambda layer=layer, given=given: layer(given)).kernels),
        }
print(json.dumps(found))
