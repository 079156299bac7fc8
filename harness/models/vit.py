"""A vision Transformer of any size with a classification or regression head, built with weights from a seed.

A. Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale", ICLR 2021.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StageError, nearest
from harness.models.bert import head_config

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.config.schema import ModelConfig

#: What it reads.
MODALITY = "image"

#: It has no source: it is built from ``model.options``.
BUILT = True


def load(
    folder: Path | None, model: ModelConfig, *, labels: Sequence[str], seed: int, fixed: bool = False
) -> PreTrainedModel:
    """Build the network in FP32, in evaluation mode.

    Parameters
    ----------
    folder : None; there is no checkpoint.
    model : its `options` are fields of transformers' ``ViTConfig``: image_size, patch_size, hidden_size ...
    labels : the task's class names in order; empty for a regression, which has one output.
    seed : for all weights.
    fixed : of no meaning here: its head is new.

    Raises
    ------
    StageError : ``bad_config`` for an option that there is not, or sizes that do not fit each other.
    """
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    fields = [name for name in inspect.signature(ViTConfig).parameters if name != "kwargs"]
    for name in model.options:
        if name not in fields:
            raise StageError("bad_config", f"model.options: no '{name}'{nearest(name, fields)}")
    torch.manual_seed(seed)
    try:
        network = ViTForImageClassification(ViTConfig(**model.options, **head_config(labels)))
    except (ValueError, TypeError, RuntimeError, KeyError, ArithmeticError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise StageError("bad_config", f"model {model.name}: options: {line}") from error
    return network.eval()
