"""The weights of a pretrained BERT in the classes of another architecture, exactly: its hidden states are BERT's.

One download so gives encoders of several architectures, whose layers are the same arithmetic under other names and in
another graph. Only the head, which is new for each task anyway, is the other architecture's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StageError
from harness.models import bert
from harness.models.base import named_errors, origin, own_config

if TYPE_CHECKING:
    import torch
    from transformers import BertConfig, PreTrainedModel

    from harness.config.schema import ModelConfig

#: Tensors by their names below the encoder.
Weights = dict[str, "torch.Tensor"]

#: The one kind of checkpoint that is put into other classes.
SOURCE = "bert"

#: Fields that RoBERTa's and ELECTRA's configs share with BERT's.
_FIELDS = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act"),
    *("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout", "max_position_embeddings"),
    *("type_vocab_size", "initializer_range", "layer_norm_eps", "pad_token_id"),
)


@dataclass(frozen=True)
class Target:
    """An architecture that can hold BERT's weights.

    Attributes
    ----------
    name : its ``model_type``.
    fields : gives the fields of its config for a BERT's; ``bad_config`` where it has no place for one of them.
    weights : gives its encoder's weights for those of a BERT of that config, without the pooler.
    """

    name: str
    fields: Callable[[BertConfig], dict[str, Any]]
    weights: Callable[[Weights, BertConfig], Weights]


def load_as(
    target: Target, folder: Path | None, model: ModelConfig, *, labels: Sequence[str], seed: int, fixed: bool = False
) -> PreTrainedModel:
    """Load a checkpoint of the target's own kind as it is, or a BERT's encoder into the target's classes.

    Parameters and errors as :func:`harness.models.bert.load`, and ``bad_config`` for a checkpoint of a third kind, or
    a BERT that is fine-tuned or has what the target has no place for.
    """
    where, keywords = origin(folder, model)
    with named_errors(folder, model):
        config = own_config(where, keywords)
    if config.model_type == target.name:
        return bert.load(folder, model, labels=labels, seed=seed, fixed=fixed)
    if config.model_type != SOURCE:
        message = f"model.architecture={target.name}, but the checkpoint is of model_type {config.model_type}"
        raise StageError("bad_config", f"model {model.name}: {message}; want {target.name} or {SOURCE}")
    if model.fine_tuned:
        message = f"fine_tuned=true, but the head of a {SOURCE} does not fit {target.name}"
        raise StageError("bad_config", f"model {model.name}: {message}; want model.architecture={SOURCE}")
    position = getattr(config, "position_embedding_type", "absolute")
    if position != "absolute":
        message = f"position_embedding_type={position}: {target.name} takes absolute positions"
        raise StageError("bad_config", f"model {model.name}: {message}")
    return _built(target, config, _encoder_weights(folder, model, config), labels, seed)


def _built(target: Target, config: BertConfig, weights: Weights, labels: Sequence[str], seed: int) -> PreTrainedModel:
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    own = AutoConfig.for_model(target.name, **target.fields(config), **bert.head_config(labels))
    torch.manual_seed(seed)
    network = AutoModelForSequenceClassification.from_config(own)
    # Strict: a weight of the encoder that got none of BERT's would be random.
    network.base_model.load_state_dict(target.weights(weights, config), strict=True)
    return network.eval()


def _encoder_weights(folder: Path | None, model: ModelConfig, config: BertConfig) -> Weights:
    import torch
    from transformers import BertModel

    where, keywords = origin(folder, model)
    if folder is not None and list(folder.glob("*.safetensors")):
        keywords["use_safetensors"] = True
    with named_errors(folder, model):
        encoder, loaded = BertModel.from_pretrained(
            where,
            config=config,
            add_pooling_layer=False,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **keywords,
        )
    bert.require_weights(loaded, model, encoder)
    return encoder.state_dict()


def shared_fields(config: BertConfig) -> dict[str, Any]:
    """Return the fields of BERT's config that have the same name in RoBERTa's and ELECTRA's."""
    return {name: getattr(config, name) for name in _FIELDS}
