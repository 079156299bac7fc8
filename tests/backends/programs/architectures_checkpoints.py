"""Saves a small checkpoint of each architecture and prints PyTorch's logits."""

import json
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification

from harness.backends.torch_common.network import input_names, tensors
from tests.backends import torch_tiny as tiny

rows, logits = tiny.make_rows(64, 2), {}
for architecture, (kind, fields) in ARGS[1].items():
    folder = Path(ARGS[0]) / architecture / "checkpoint"
    tiny.make_checkpoint(folder, kind, id2label={0: "no", 1: "yes"}, label2id={"no": 0, "yes": 1}, **fields)
    network = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        logits[architecture] = network(**tensors(rows.batch(range(64)), input_names(network))).logits.tolist()
print(json.dumps(logits))
