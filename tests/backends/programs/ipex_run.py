"""Evaluates the artefacts of a tiny network."""

import json
from pathlib import Path

from harness.config.cell import cell_from_dict
from tests.backends import torch_tiny as tiny

print(json.dumps({name: tiny.evaluate(cell_from_dict(cell), Path(ARGS[0]) / name) for name, cell in ARGS[1].items()}))
