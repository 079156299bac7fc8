"""RoBERTa: of its own checkpoint, or with the weights of a BERT; it counts positions from behind the padding's number.

Y. Liu et al., "RoBERTa: A Robustly Optimized BERT Pretraining Approach", 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StageError
from harness.models.remap import Target, Weights, load_as, shared_fields

if TYPE_CHECKING:
    from transformers import BertConfig, PreTrainedModel

    from harness.config.schema import ModelConfig

_POSITIONS = "embeddings.position_embeddings.weight"


def load(
    folder: Path | None, model: ModelConfig, *, labels: Sequence[str], seed: int, fixed: bool = False
) -> PreTrainedModel:
    """Load the encoder and its head in FP32, in evaluation mode, as :func:`harness.models.remap.load_as`."""
    return load_as(Target("roberta", _fields, _weights), folder, model, labels=labels, seed=seed, fixed=fixed)


def _fields(config: BertConfig) -> dict[str, Any]:
    if config.pad_token_id is None:
        raise StageError("bad_config", "pad_token_id: roberta counts positions from it; want a token's number")
    unused = config.pad_token_id + 1
    return shared_fields(config) | {"max_position_embeddings": config.max_position_embeddings + unused}


def _weights(weights: Weights, config: BertConfig) -> Weights:
    import torch

    positions = weights[_POSITIONS]
    # The last of these rows is that of padding, which no token attends to.
    unused = torch.zeros(config.pad_token_id + 1, positions.shape[1])
    return weights | {_POSITIONS: torch.cat([unused, positions])}
