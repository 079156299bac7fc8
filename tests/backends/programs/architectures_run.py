"""Evaluates each artefact of each architecture."""

import json
import os
from pathlib import Path

from harness.config.cell import cell_from_dict
from tests.backends import torch_tiny as tiny

ran = {}
for architecture, cells in ARGS[1].items():
    base = Path(ARGS[0]) / architecture
    ran[architecture] = {
        name: tiny.evaluate(cell_from_dict(cell), base / cell["backend"]["name"] / name) for name, cell in cells.items()
    }
print(json.dumps(ran), flush=True)
os._exit(0)  # as a child of the harness ends
