"""A small batch that torch models are traced or exported with, and held against afterwards."""

from __future__ import annotations

import torch


def example(names: tuple[str, ...], vocabulary: int, rows: int = 2, tokens: int = 8) -> dict[str, torch.Tensor]:
    """Return a batch of the arrays `names`, in their order, of which the first row is padded to half.

    Neither rows nor tokens are 1 unless asked for: a size of 1 would be taken for a constant.
    """
    ids = torch.arange(rows * tokens).reshape(rows, tokens) % vocabulary
    mask = torch.ones_like(ids)
    mask[0, (tokens + 1) // 2 :] = 0
    arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    return {name: arrays[name] for name in names}
