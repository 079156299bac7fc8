"""Checks data sets and prints what each has come to."""

import json
import traceback

from datasets import ClassLabel, Dataset, Features, Value

from harness.config.cell import from_dict
from harness.config.schema import TaskConfig
from harness.errors import StageError
from harness.tasks import checks


def rows(columns, names):
    if names is None:
        return Dataset.from_dict(columns)
    return Dataset.from_dict(columns, features=Features({"text": Value("string"), "label": ClassLabel(names=names)}))


found = {}
for name, case in ARGS[0].items():
    splits = {split: rows(case[split], case["names"].get(split)) for split in ("train", "evaluation")}
    try:
        done = checks.check(splits, from_dict(TaskConfig, case["task"]))
        found[name] = {"labels": list(done.labels), "leaks": done.leaked_rows_dropped}
        for split, data in (("train", done.train), ("evaluation", done.evaluation)):
            found[name][split] = [*map(list, zip(data["text"], data["label"], strict=True))]
            found[name][f"{split} names"] = getattr(data.features["label"], "names", None)
            found[name]["type"] = data.features["label"].dtype
    except StageError as error:
        found[name] = {"kind": error.kind, "message": error.message}
    except Exception:
        found[name] = {"kind": "uncaught", "message": traceback.format_exc()}
print(json.dumps(found))
