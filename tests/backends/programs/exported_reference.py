"""Prints PyTorch's logits of the three batches that the artefacts are run on."""

import json
from pathlib import Path

import torch
from transformers import BertForSequenceClassification

from harness.data.token_rows import Rows

checkpoint, rows = ARGS
rows, network = Rows.load(Path(rows)), BertForSequenceClassification.from_pretrained(checkpoint).eval()
logits = []
with torch.no_grad():
    for batch in [[0], list(range(len(rows))), [1, 2, 3]]:
        inputs = {name: torch.from_numpy(array) for name, array in rows.batch(batch).items()}
        logits.append(network(**inputs).logits.tolist())
print(json.dumps(logits))
