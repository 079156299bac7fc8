"""Quantizes each cell of each architecture."""

from pathlib import Path

from harness.config.cell import cell_from_dict
from tests.backends import torch_tiny as tiny

for architecture, cells in ARGS[1].items():
    base = Path(ARGS[0]) / architecture
    for name, cell in cells.items():
        tiny.quantize(name, cell_from_dict(cell), base, base / cell["backend"]["name"] / name)
print("null")
