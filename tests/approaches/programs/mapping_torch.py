"""Prints what torch's own observers make of ranges: scales and zero points."""

import json

import torch
from torch.ao.quantization import MinMaxObserver

found = []
for scheme, dtype, low, high in ARGS[0]:
    kind = {"int8": torch.qint8, "uint8": torch.quint8}[dtype]
    observer = MinMaxObserver(dtype=kind, qscheme=getattr(torch, f"per_tensor_{scheme}"))
    values = torch.linspace(low, high, 50, dtype=torch.float32)
    observer(values)
    scale, zero_point = observer.calculate_qparams()
    codes = torch.quantize_per_tensor(values, float(scale), int(zero_point), kind).int_repr()
    found.append([float(scale), int(zero_point), values.double().tolist(), codes.tolist()])
print(json.dumps(found))
