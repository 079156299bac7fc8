"""Loads artefacts and prints the logits of three batches and the executed precision of each."""

import dataclasses
import json
import sys
from pathlib import Path

from harness.backends.base import backend_class
from harness.config.cell import cell_from_dict
from harness.data.token_rows import Rows

rows, folder, cells = ARGS
rows, ran = Rows.load(Path(rows)), {}
batches = [[0], list(range(len(rows))), [1, 2, 3]]
for name, values in cells.items():
    cell = cell_from_dict(values)
    backend = backend_class(cell.backend.name)()
    backend.load(Path(folder) / name, cell)
    logits = [backend.logits(backend.forward(backend.inputs(rows.batch(batch)))) for batch in batches]
    executed = dataclasses.asdict(backend.executed_precision(backend.inputs(rows.batch(batches[1]))))
    types = sorted({str(part.dtype) for part in logits})
    ran[name] = {"logits": [part.tolist() for part in logits], "executed": executed, "types": types}
ran["imported"] = sorted({name.split(".")[0] for name, module in sys.modules.items() if module is not None})
print(json.dumps(ran))
