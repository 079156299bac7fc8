"""Prints the losses of QAT on checkpoints without and with dropout."""

import json
from pathlib import Path

from tests.backends import torch_tiny as tiny

losses = {}
for name, share in (("none", 0.0), ("half", 0.5)):
    base = Path(ARGS[0]) / name
    tiny.make_checkpoint(base / "checkpoint", hidden_dropout_prob=share, attention_probs_dropout_prob=share)
    losses[name] = tiny.quantize("qat", tiny.CELLS["qat"], base, base / "made")["qat"]["losses"]
print(json.dumps(losses))
