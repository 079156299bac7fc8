"""Quantizes one cell of a tiny network."""

from pathlib import Path

from tests.backends import torch_tiny as tiny

base, out, name = ARGS
tiny.quantize(name, tiny.CELLS[name], Path(base), Path(out))
print("null")
