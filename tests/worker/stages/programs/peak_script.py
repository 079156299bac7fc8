"""Prints whether the peak's products are right in each engine, and their rates."""

import io
import json

import torch

from harness.ipc.report import Report
from harness.worker.stages import peak

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
