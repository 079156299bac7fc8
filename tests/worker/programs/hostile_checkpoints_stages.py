"""Runs stages on changed copies of a whole checkpoint and prints what each has come to."""

import io
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from harness.config.cell import from_dict
from harness.config.schema import ModelConfig, TaskConfig
from harness.ipc.report import Report
from harness.worker.__main__ import _named
from harness.worker.stages import finetune, tokenise

base, cases = Path(ARGS[0]), ARGS[1]
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "a", "the"]
whole = base / "whole"
whole.mkdir()
(whole / "vocab.txt").write_text("\n".join(words))
torch.manual_seed(0)
sizes = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=16, **sizes)).save_pretrained(whole)
BertTokenizerFast(vocab_file=str(whole / "vocab.txt"), model_max_length=16).save_pretrained(whole)


def change(folder, files):
    for name, change in files.items():
        path = folder / name
        if isinstance(change, dict):
            path.write_text(json.dumps(json.loads(path.read_text()) | change))
        elif change is None:
            path.unlink()
        elif isinstance(change, int):
            path.write_bytes(path.read_bytes()[:change])
        else:
            path.write_text(change)


found = {}
for name, case in cases.items():
    folder, out = base / name / "model", base / name / "out"
    shutil.copytree(whole, folder)
    change(folder, case["files"])
    task = from_dict(TaskConfig, {"name": "words", **case["task"]})
    cell = SimpleNamespace(task=task, model=ModelConfig(name="tiny", fine_tuned=False))
    inputs = {"task": str(base / "data"), "model": str(folder), "tokenised": str(out / "tokenise")}
    found[name] = ["ok", ""]
    for stage in (tokenise, finetune):
        place = out / stage.__name__.rpartition(".")[2]
        place.mkdir(parents=True)
        try:
            stage.run({"inputs": inputs, "out": str(place), "threads": 2}, cell, Report(io.StringIO()))
        except BaseException as error:
            found[name] = list(_named(error, str(place)))
            break
print(json.dumps(found))
