"""BERT and the encoders of its kind (RoBERTa, DistilBERT, ELECTRA ...) with a classification or regression head.

J. Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", NAACL 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StageError
from harness.models.base import named_errors, origin, own_config
from harness.models.labels import Matching, match_labels, override, require_one_label_a_row

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from harness.config.schema import ModelConfig

#: What may be missing from a pretrained encoder and is then drawn anew: the head, and the pooler that feeds it.
_HEAD = ("classifier", "pre_classifier", "score", "pooler")


def load(
    folder: Path | None, model: ModelConfig, *, labels: Sequence[str], seed: int, fixed: bool = False
) -> PreTrainedModel:
    """Load the encoder and its head in FP32, in evaluation mode.

    Parameters
    ----------
    folder : the checkpoint's folder, or None for the hub id and revision of ``model.source``.
    labels : the task's class names in order; empty for a regression, which has one output. Output i of the model
        returned is class i: a fine-tuned head is put into this order. How it was matched is then the attribute
        ``label_matching`` of the model returned, a :class:`harness.models.labels.Matching`.
    seed : for what the checkpoint does not hold, a new head's weights.
    fixed : whether ``task.labels`` gives the labels, which are then a fine-tuned head's by their places.

    Raises
    ------
    StageError : ``bad_labels`` when a fine-tuned head does not fit `labels`; ``missing_file``, ``damaged``,
        ``no_package``, ``no_network`` or ``bad_config`` when the checkpoint cannot be loaded.
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    where, keywords = origin(folder, model)
    torch.manual_seed(seed)
    with named_errors(folder, model):
        config = own_config(where, keywords, **({} if model.fine_tuned else head_config(labels)))
        if folder is not None and list(folder.glob("*.safetensors")):
            keywords["use_safetensors"] = True
        # Where there are only .bin files, transformers reads them with weights_only=True: no pickled code is run.
        # Misshapen weights are ignored here to be told, by name, below.
        network, loaded = AutoModelForSequenceClassification.from_pretrained(
            where,
            config=config,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **keywords,
        )
    require_weights(loaded, model, network)
    if model.fine_tuned:
        _fit_head(network, labels, model, fixed)
    return network.eval()


def head_config(labels: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a config that describe a head for `labels`; empty for a regression, which has one output."""
    names = list(labels) or ["value"]
    return {
        "num_labels": len(names),
        "id2label": dict(enumerate(names)),
        "label2id": {name: index for index, name in enumerate(names)},
        "problem_type": "single_label_classification" if labels else "regression",
    }


def require_weights(loaded: dict[str, Any], model: ModelConfig, network: PreTrainedModel) -> None:
    """Raise when weights that nothing trains would be random."""
    # transformers 5 gives a misshapen key with both shapes, 4 gives its name alone.
    misshapen = [key if isinstance(key, str) else key[0] for key in loaded["mismatched_keys"]]
    absent = [*loaded["missing_keys"], *misshapen]
    parts = {key: key.removeprefix(f"{network.base_model_prefix}.").split(".")[0] for key in sorted(absent)}
    encoder = [key for key, part in parts.items() if part not in _HEAD]
    if encoder:
        raise StageError("damaged", f"model {model.name}: {len(encoder)} weights missing or misshapen: {encoder[0]}")
    if model.fine_tuned and parts:
        message = f"model {model.name}: fine_tuned=true, but the checkpoint has no {next(iter(parts))}"
        raise StageError("bad_config", message)


def _fit_head(network: PreTrainedModel, labels: Sequence[str], model: ModelConfig, fixed: bool) -> None:
    """Put the outputs of a fine-tuned head into the task's order of classes."""
    require_one_label_a_row(network.config.problem_type, model.name)
    outputs = [str(network.config.id2label[index]) for index in range(network.config.num_labels)]
    matching = match_labels(outputs, labels, model.name, fixed=fixed)
    if matching.order != tuple(range(len(matching.order))):
        _reorder(network, matching)
    network.label_matching = matching
    for name, value in head_config(labels).items():
        setattr(network.config, name, value)


def _reorder(network: PreTrainedModel, matching: Matching) -> None:
    import torch

    head, order = _output_layer(network, matching), list(matching.order)
    with torch.no_grad():
        head.weight.copy_(head.weight[order].clone())
        if head.bias is not None:
            head.bias.copy_(head.bias[order].clone())


def _output_layer(network: PreTrainedModel, matching: Matching) -> torch.nn.Linear:
    import torch

    layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)]
    if not layers or layers[-1].out_features != len(matching.order):
        in_their_order = [matching.labels[matching.order.index(index)] for index in range(len(matching.order))]
        message = f"cannot tell which layer is the head, so as to reorder it; want {override(in_their_order)}"
        raise StageError("bad_labels", message)
    return layers[-1]
