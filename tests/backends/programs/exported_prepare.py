"""Quantizes cells and prints what the backend said and each file's size and hash."""

import hashlib
import io
import json
from pathlib import Path

from harness.backends.base import backend_class
from harness.config.cell import cell_from_dict
from harness.data.token_rows import Rows
from harness.errors import StageError
from harness.ipc.report import Report

checkpoint, train, folder, cells = ARGS
made = {}
for name, values in cells.items():
    cell, out = cell_from_dict(values), Path(folder) / name
    out.mkdir(parents=True)
    try:
        said = backend_class(cell.backend.name)().quantize(
            Path(checkpoint), cell, Rows.load(Path(train)), out, Report(io.StringIO())
        )
    except StageError as error:
        said = {"kind": error.kind, "message": error.message}
    files = {file.name: [file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest()] for file in out.iterdir()}
    made[name] = {"said": said, "files": files}
print(json.dumps(made))
