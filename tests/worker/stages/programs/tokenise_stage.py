"""Runs the stage `tokenise` on several tasks and prints what it gives."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import datasets
from transformers import BertTokenizerFast

from harness.config.cell import from_dict
from harness.config.schema import ModelConfig, TaskConfig
from harness.errors import StageError
from harness.ipc.report import Report
from harness.models.base import load_tokenizer
from harness.worker.stages import tokenise

CONFIGS = {
    "few": {"max_position_embeddings": 4},
    "roberta": {"model_type": "roberta", "max_position_embeddings": 6, "pad_token_id": 1},
    "ended": {"pads": False, "eos_token_id": 3},
    "endless": {"pads": False},
}
base, out, cases, vocabularies = Path(ARGS[0]), Path(ARGS[1]), ARGS[2], ARGS[3]
for name, (words, length) in vocabularies.items():
    folder = out / "models" / name
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(words))
    padding = {} if CONFIGS.get(name, {}).get("pads", True) else {"pad_token": None}
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=length, **padding).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **CONFIGS.get(name, {})}))
found = {}
for name, (data, model, task) in cases.items():
    (out / name).mkdir()
    spec = {"inputs": {"task": str(base / data), "model": str(out / "models" / model)}, "out": str(out / name)}
    cell = SimpleNamespace(task=from_dict(TaskConfig, task), model=ModelConfig(name="tiny"))
    try:
        found[name] = tokenise.run(spec, cell, Report(io.StringIO()))
    except StageError as error:
        found[name] = {"kind": error.kind, "message": error.message}
kept = datasets.load_from_disk(str(out / "plain" / tokenise.DATASET_FOLDER))
found["kept"] = {split: [list(rows["text"]), list(rows["label"])] for split, rows in kept.items()}
tokenizer = load_tokenizer(out / "models" / "words", ModelConfig(name="tiny"))
before = tokenise.tokenizer_fingerprint(tokenizer)
tokenizer(["a film", "a"], padding=True, truncation=True, max_length=3)
found["tokenizer"] = [before, tokenise.tokenizer_fingerprint(tokenizer)]
print(json.dumps(found))
