"""Runs one quantized product in torch and keeps its outcome in `layer`."""

import torch
from torch.ao.nn import quantized


def product(engine, code, depth=64):
    torch.backends.quantized.engine = engine
    linear = quantized.Linear(depth, 32)
    weight = torch.full((32, depth), 127, dtype=torch.int8)
    linear.set_weight_bias(torch._make_per_tensor_quantized_tensor(weight, 1.0, 0), None)
    linear.scale, linear.zero_point = float(depth * 127), 0
    codes = torch._make_per_tensor_quantized_tensor(torch.full((16, depth), code, dtype=torch.uint8), 1.0, 0)
    return float(linear(codes).dequantize().max()) / (depth * code * 127)


layer = {engine: {code: product(engine, code) for code in (255, 127)} for engine in ("onednn", "fbgemm")}
