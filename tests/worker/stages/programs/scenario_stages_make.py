"""Makes the FP32 artefact of a tiny network."""

from pathlib import Path

from tests.backends import torch_tiny as tiny

base = Path(ARGS[0])
tiny.make_checkpoint(base / "checkpoint")
tiny.quantize("fp32 eager", tiny.CELLS["fp32 eager"], base, base / "artefact")
print("null")
