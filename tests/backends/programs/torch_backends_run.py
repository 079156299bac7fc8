"""Evaluates artefacts, those of FX first, and prints which packages that needed."""

import json
import sys
from pathlib import Path

from tests.backends import torch_tiny as tiny

found = {}
graphs = [name for name, cell in tiny.CELLS.items() if cell.backend.name == "fx"]
for name in sorted(ARGS[1], key=lambda name: name not in graphs):
    found[name] = tiny.evaluate(tiny.CELLS[name], Path(ARGS[0]) / "first" / name)
    found[name]["imported"] = [package for package in ("transformers", "sklearn", "pandas") if package in sys.modules]
print(json.dumps(found))
