"""Quantizes the cells of a tiny network and prints PyTorch's logits as their reference."""

import json
from pathlib import Path

import torch

from harness.config.cell import cell_from_dict
from tests.backends import torch_tiny as tiny

base = Path(ARGS[0])
tiny.make_checkpoint(base / "checkpoint")
from transformers import AutoModelForSequenceClassification

rows = tiny.make_rows(64, 2)
network = AutoModelForSequenceClassification.from_pretrained(base / "checkpoint").eval()
with torch.no_grad():
    batch = {name: torch.from_numpy(array) for name, array in rows.batch(range(64)).items()}
    reference = network(**batch).logits.tolist()
made = {name: tiny.quantize(name, cell_from_dict(cell), base, base / name) for name, cell in ARGS[1].items()}
print(json.dumps({"reference": reference, "made": made}))
