"""Saves the checkpoint of a tiny network."""

from pathlib import Path

from tests.backends import torch_tiny as tiny

tiny.make_checkpoint(Path(ARGS[0]) / "checkpoint")
print("null")
