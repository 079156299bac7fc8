"""Quantizes all cells of a tiny network."""

import json
from pathlib import Path

from tests.backends import torch_tiny as tiny

base = Path(ARGS[0])
tiny.make_checkpoint(base / "checkpoint")
made = {name: tiny.quantize(name, cell, base, base / "first" / name) for name, cell in tiny.CELLS.items()}
print(json.dumps(made))
