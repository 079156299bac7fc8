"""Evaluates the artefacts of a tiny network into `found`."""

from pathlib import Path

from harness.config.cell import cell_from_dict
from tests.backends import torch_tiny as tiny

found = {name: tiny.evaluate(cell_from_dict(cell), Path(ARGS[0]) / name) for name, cell in ARGS[1].items()}
