"""Evaluates the artefacts of a tiny network."""

import json
import os
import sys
from pathlib import Path

from harness.config.cell import cell_from_dict
from tests.backends import torch_tiny as tiny

found = {name: tiny.evaluate(cell_from_dict(cell), Path(ARGS[0]) / name) for name, cell in ARGS[1].items()}
imported = [name for name in ("transformers", "torchao") if name in sys.modules]
print(json.dumps({"found": found, "imported": imported}), flush=True)
os._exit(0)  # as a child of the harness ends
