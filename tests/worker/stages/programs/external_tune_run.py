"""Tunes with an external tuner and prints what came of it."""

import json
from pathlib import Path

from tests.worker.stages.external_tuning import run

print(json.dumps(run(Path(ARGS[0]), ARGS[1], ARGS[2])))
