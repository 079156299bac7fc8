"""Makes and evaluates a BF16 cell of a tiny network."""

import json
import os
from pathlib import Path

from harness.config.cell import cell_from_dict
from tests.backends import torch_tiny as tiny

base, cell = Path(ARGS[0]), cell_from_dict(ARGS[1])
tiny.quantize("bf16", cell, base, base / "bf16")
print(json.dumps(tiny.evaluate(cell, base / "bf16")["executed"]), flush=True)
os._exit(0)
