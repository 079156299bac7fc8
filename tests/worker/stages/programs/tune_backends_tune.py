"""Runs the scenarios of the stage `tune` on a backend."""

import json
from pathlib import Path

from tests.worker.stages import tuned_stage as stage

base, backend = Path(ARGS[0]), ARGS[1]
print(json.dumps(stage.scenarios(base, backend)))
