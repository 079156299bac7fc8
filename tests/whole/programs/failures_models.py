"""Saves checkpoints with faults."""

from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, BertTokenizerFast

source, out = Path(ARGS[0]), Path(ARGS[1])
for name, labels in (("nan", 2), ("three", 3), ("damaged", 2), ("words", 2)):
    names = dict(enumerate(("no", "yes", "perhaps")[:labels]))
    network = AutoModelForSequenceClassification.from_pretrained(source, num_labels=labels, id2label=names)
    if name == "nan":
        with torch.no_grad():
            network.classifier.bias[0] = float("nan")
    if name == "words":  # a head without names beside labels that are words: any order would be a guess
        network.config.id2label = {0: "LABEL_0", 1: "LABEL_1"}
    network.save_pretrained(out / name)
    BertTokenizerFast.from_pretrained(source).save_pretrained(out / name)
weights = out / "damaged" / "model.safetensors"
weights.write_bytes(weights.read_bytes()[:2000])
print(1)
