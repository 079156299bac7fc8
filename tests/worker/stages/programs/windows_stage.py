"""Runs the stage `windows` and prints what it gives."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

from harness.config.cell import from_dict
from harness.config.schema import ModelConfig, TaskConfig
from harness.errors import StageError
from harness.ipc.report import Report
from harness.worker.stages import windows
from tests.models.llama_tiny import make_checkpoint

base, tasks = Path(ARGS[0]), ARGS[1]
make_checkpoint(base / "model")
found = {}
for name, task in tasks.items():
    (base / name).mkdir()
    spec = {"inputs": {"task": str(base / "texts"), "model": str(base / "model")}, "out": str(base / name)}
    model = ModelConfig(name="tiny", architecture="llama", fine_tuned=True)
    try:
        cell = SimpleNamespace(task=from_dict(TaskConfig, task), model=model)
        found[name] = windows.run(spec, cell, Report(io.StringIO()))
    except StageError as error:
        found[name] = {"kind": error.kind, "message": error.message}
print(json.dumps(found))
