"""Prints what a backend says of the multiplications of one batch."""

import dataclasses
import json
from pathlib import Path

from harness.backends.base import backend_class
from harness.config.cell import cell_from_dict
from harness.data.token_rows import Rows
from harness.worker.stages.evaluate import whole

rows, artefact, values, per_row = ARGS
rows, cell = Rows.load(Path(rows)), cell_from_dict(values)
backend = backend_class(cell.backend.name)()
backend.load(Path(artefact), cell)
batch = rows.batch(list(range(len(rows))))
executed = whole(batch, backend, per_row)
alone = backend.executed_precision(backend.inputs(batch)).multiplications
print(json.dumps([batch["input_ids"].shape, dataclasses.asdict(executed), alone]))
