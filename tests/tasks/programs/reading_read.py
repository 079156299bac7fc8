"""Reads data sets and prints their rows, or the kind and the message of the refusal."""

import json
import traceback
from pathlib import Path

from harness.config.cell import from_dict
from harness.config.schema import TaskConfig
from harness.errors import StageError
from harness.worker.stages.tokenise import reader

found = {}
for name, (source, values) in ARGS[0].items():
    task = from_dict(TaskConfig, values)
    try:
        splits = reader(task.reader).read(source and Path(source), task)
        found[name] = {
            split: {column: list(rows[column]) for column in rows.column_names} for split, rows in splits.items()
        }
    except StageError as error:
        found[name] = {"kind": error.kind, "message": error.message}
    except Exception:
        found[name] = {"kind": "uncaught", "message": traceback.format_exc()}
print(json.dumps(found))
