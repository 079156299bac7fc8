"""Runs the stage `evaluate` on a real model and prints what it gives."""

import io
import json
from pathlib import Path

import torch
from transformers import BertConfig, BertForSequenceClassification

from harness.backends.base import backend_class
from harness.config.cell import cell_from_dict
from harness.data.token_rows import Rows
from harness.errors import StageError
from harness.ipc.report import Report
from harness.worker.stages import evaluate

base, fp32, int8 = Path(ARGS[0]), cell_from_dict(ARGS[1]), cell_from_dict(ARGS[2])
rows = Rows.load(base / "evaluation.npz")
torch.manual_seed(0)
torch.set_num_threads(1)
small = BertConfig(
    vocab_size=50,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=16,
    initializer_range=0.3,
    num_labels=3,
)
network = BertForSequenceClassification(small).eval()


def artefact(name, cell):
    network.save_pretrained(base / f"{name} checkpoint")
    (base / name).mkdir()
    backend_class("eager")().quantize(base / f"{name} checkpoint", cell, rows, base / name, Report(io.StringIO()))


def run(name, cell, **options):
    spec = {
        "inputs": {"tokenised": str(base), "artefact": str(base / name)},
        "options": options,
        "seed": 0,
        "threads": 1,
    }
    try:
        return evaluate.run(spec, cell, Report(io.StringIO()))
    except StageError as error:
        return {"kind": error.kind, "message": error.message}


artefact("plain", fp32)
found = {"all": run("plain", fp32), "again": run("plain", fp32), "first": run("plain", fp32, limit_evaluation=5)}
with torch.no_grad():
    found["alone"] = [
        network(**{name: torch.from_numpy(array) for name, array in rows.batch([index]).items()}).logits[0].tolist()
        for index in range(len(rows))
    ]
# The artefact of an FP32 cell, called int8, must not pass.
found["claimed"] = run("plain", int8)
with torch.no_grad():
    # Finite weights whose sum is not: a checkpoint with weights that are not finite is refused before.
    network.classifier.weight[1] = 3e38
artefact("nan", fp32)
found["nan"] = run("nan", fp32)
print(json.dumps(found))
