"""Saves the checkpoint that external tuners tune."""

from pathlib import Path

from safetensors.torch import load_file, save_file

from tests.backends.torch_tiny import make_checkpoint

folder, layer = Path(ARGS[0]), "bert.encoder.layer.1.attention"
make_checkpoint(folder, id2label={0: "less", 1: "more"}, label2id={"less": 0, "more": 1})
# Two channels so much larger than all others that one scale for all cannot serve both; the next layer takes them back.
weights = load_file(folder / "model.safetensors")
for name in ("weight", "bias"):
    weights[f"{layer}.self.value.{name}"][:2] *= 300
weights[f"{layer}.output.dense.weight"][:, :2] /= 300
save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
print(0)
