"""Prints the multiplications of a row as the network's formulas have them."""

import json

from transformers import AutoModelForSequenceClassification

from harness.models.work import per_row

network = AutoModelForSequenceClassification.from_pretrained(ARGS[0], attn_implementation="sdpa").eval()
found = per_row(network)
print(json.dumps([found, network.config._attn_implementation]))
