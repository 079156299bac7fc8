"""Evaluates the tuner's artefact and that of its recipe without a tuner."""

import json
from pathlib import Path

from tests.worker.stages import tuned_stage as stage

base, backend, fallback, activation = ARGS
print(json.dumps(stage.compared(Path(base), backend, fallback, activation)))
