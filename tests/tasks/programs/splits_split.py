"""Splits data sets and prints which rows are in which part."""

import json

from datasets import Dataset

from harness.config.cell import from_dict
from harness.config.schema import SplitConfig
from harness.errors import StageError
from harness.tasks.splits import split_rows

found = {}
for name, (train, evaluation, split) in ARGS[0].items():
    rows = [
        Dataset.from_dict({"text": [f"{part} {number}" for number in range(count)]}) if count else None
        for part, count in (("train", train), ("evaluation", evaluation))
    ]
    try:
        cut = split_rows(*rows, from_dict(SplitConfig, split))
        found[name] = {part: list(data["text"]) for part, data in cut.items()}
    except StageError as error:
        found[name] = [error.kind, error.message]
print(json.dumps(found))
