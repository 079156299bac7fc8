"""Prints what is said of a changed network and of a weight that is not finite."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from harness.backends.common import export_network
from harness.config.cell import cell_from_dict
from harness.errors import StageError

folder, cell = Path(ARGS[0]), cell_from_dict(ARGS[1])
network = export_network.load_network(folder, cell)


def exact(batch):
    with torch.no_grad():
        return network(**{name: torch.from_numpy(array) for name, array in batch.items()}).logits.numpy()


said = [export_network.require_equal(network, exact)]
try:
    export_network.require_equal(network, lambda batch: exact(batch) + 2e-4)
except StageError as error:
    said.append(error.kind)
weights = load_file(folder / "model.safetensors")
weights["classifier.weight"][0, 0] = float("nan")
save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
try:
    export_network.load_network(folder, cell)
except StageError as error:
    said += [error.kind, error.message]
print(json.dumps(said))
