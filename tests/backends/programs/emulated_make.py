"""Quantizes the cells of a tiny network."""

from pathlib import Path

from harness.config.cell import cell_from_dict
from tests.backends import torch_tiny as tiny

base = Path(ARGS[0])
for name, cell in ARGS[1].items():
    tiny.quantize(name, cell_from_dict(cell), base, base / name)
print("null")
