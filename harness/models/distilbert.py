"""DistilBERT: of its own checkpoint, or with the weights of a BERT; it has no segments and names its layers otherwise.

V. Sanh et al., "DistilBERT, a distilled version of BERT: smaller, faster, cheaper and lighter", 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StageError
from harness.models.remap import Target, Weights, load_as

if TYPE_CHECKING:
    from transformers import BertConfig, PreTrainedModel

    from harness.config.schema import ModelConfig

#: A constant of its code.
_EPSILON = 1e-12

#: Parts of a name, BERT's and DistilBERT's.
_NAMES = (
    ("encoder.layer.", "transformer.layer."),
    ("attention.self.query.", "attention.q_lin."),
    ("attention.self.key.", "attention.k_lin."),
    ("attention.self.value.", "attention.v_lin."),
    ("attention.output.dense.", "attention.out_lin."),
    ("attention.output.LayerNorm.", "sa_layer_norm."),
    ("intermediate.dense.", "ffn.lin1."),
    # Last, because attention has an ``output`` too.
    ("output.dense.", "ffn.lin2."),
    ("output.LayerNorm.", "output_layer_norm."),
)


def load(
    folder: Path | None, model: ModelConfig, *, labels: Sequence[str], seed: int, fixed: bool = False
) -> PreTrainedModel:
    """Load the encoder and its head in FP32, in evaluation mode, as :func:`harness.models.remap.load_as`.

    A BERT's hidden states are kept for rows of one text; the second text of a pair is no longer marked as such.
    """
    return load_as(Target("distilbert", _fields, _weights), folder, model, labels=labels, seed=seed, fixed=fixed)


def _fields(config: BertConfig) -> dict[str, Any]:
    if config.layer_norm_eps != _EPSILON:
        message = f"layer_norm_eps={config.layer_norm_eps}: distilbert's is {_EPSILON}, so it would be another function"
        raise StageError("bad_config", message)
    dropout = config.hidden_dropout_prob
    return {
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.max_position_embeddings,
        "n_layers": config.num_hidden_layers,
        "n_heads": config.num_attention_heads,
        "dim": config.hidden_size,
        "hidden_dim": config.intermediate_size,
        "dropout": dropout,
        "attention_dropout": config.attention_probs_dropout_prob,
        "seq_classif_dropout": dropout if config.classifier_dropout is None else config.classifier_dropout,
        "activation": config.hidden_act,
        "initializer_range": config.initializer_range,
        "pad_token_id": config.pad_token_id,
    }


def _weights(weights: Weights, config: BertConfig) -> Weights:
    renamed = {_renamed(name): tensor for name, tensor in weights.items()}
    # Every token of a row of one text is of segment 0, so what that adds can stand in the table of positions.
    segments = renamed.pop("embeddings.token_type_embeddings.weight")
    positions = "embeddings.position_embeddings.weight"
    return renamed | {positions: renamed[positions] + segments[0]}


def _renamed(name: str) -> str:
    for theirs, own in _NAMES:
        name = name.replace(theirs, own)
    return name
