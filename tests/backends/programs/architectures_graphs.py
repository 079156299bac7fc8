"""Prints logits and the number of INT8 weights of each architecture's PT2E graph."""

import json
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification

from harness.backends.pt2e.graph import quantized
from harness.backends.torch_common.network import input_names, tensors
from harness.config.cell import cell_from_dict
from tests.backends import torch_tiny as tiny

graphs, batch = {}, tiny.make_rows(64, 2).batch(range(64))
for architecture, cell in ARGS[1].items():
    network = AutoModelForSequenceClassification.from_pretrained(Path(ARGS[0]) / architecture / "checkpoint").eval()
    graph, _ = quantized(network, cell_from_dict(cell), tiny.make_rows(120, 1), tiny.Silent())
    with torch.no_grad():
        logits = graph(*tensors(batch, input_names(network)).values()).tolist()
    weights = [name for name, value in graph.state_dict().items() if value.dtype == torch.int8]
    graphs[architecture] = {"logits": logits, "weights": len(weights)}
print(json.dumps(graphs))
