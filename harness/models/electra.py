"""ELECTRA: of its own checkpoint, or with the weights of a BERT; its embeddings may be narrower than its layers.

K. Clark et al., "ELECTRA: Pre-training Text Encoders as Discriminators Rather Than Generators", ICLR 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.models.remap import Target, Weights, load_as, shared_fields

if TYPE_CHECKING:
    from transformers import BertConfig, PreTrainedModel

    from harness.config.schema import ModelConfig


def load(
    folder: Path | None, model: ModelConfig, *, labels: Sequence[str], seed: int, fixed: bool = False
) -> PreTrainedModel:
    """Load the encoder and its head in FP32, in evaluation mode, as :func:`harness.models.remap.load_as`."""
    return load_as(Target("electra", _fields, _weights), folder, model, labels=labels, seed=seed, fixed=fixed)


def _fields(config: BertConfig) -> dict[str, Any]:
    return shared_fields(config) | {"embedding_size": config.hidden_size}


def _weights(weights: Weights, config: BertConfig) -> Weights:
    return weights
