"""Runs the stage `score` and prints what it gives."""

import io
import json
from types import SimpleNamespace

from harness.config.cell import from_dict
from harness.config.schema import TaskConfig
from harness.ipc.report import Report
from harness.worker.stages import score

found = {}
for name, (tokenised, predictions, task) in ARGS[0].items():
    sent = io.StringIO()
    spec = {"inputs": {"tokenised": tokenised}, "options": {"predictions": predictions}}
    cell = SimpleNamespace(task=from_dict(TaskConfig, task))
    found[name] = {**score.run(spec, cell, Report(sent)), "sent": sent.getvalue()}
print(json.dumps(found))
