"""BERT and the encoders of its kind (RoBERTa, DistilBERT, ELECTRA ...) with a classification or regression head.

J. Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", NAACL 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StageError
from harness.models.base import named_errors, origin

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from harness.plan.config import ModelConfig

#: What may be missing from a pretrained encoder and is then drawn anew: the head, and the pooler that feeds it.
_HEAD = ("classifier", "pre_classifier", "score", "pooler")


def load(folder: Path | None, model: ModelConfig, *, labels: Sequence[str], seed: int) -> PreTrainedModel:
    """Load the encoder and its head in FP32, in evaluation mode.

    Parameters
    ----------
    folder : the checkpoint's folder, or None for the hub id and revision of ``model.source``.
    labels : the task's class names in order; empty for a regression, which has one output. Output i of the model
        returned is class i: a fine-tuned head is put into this order.
    seed : for what the checkpoint does not hold, a new head's weights.

    Raises
    ------
    StageError : ``bad_labels`` when a fine-tuned head does not fit `labels`; ``missing_file``, ``damaged``,
        ``no_package``, ``no_network`` or ``bad_config`` when the checkpoint cannot be loaded.
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    where, keywords = origin(folder, model)
    if folder is not None and list(folder.glob("*.safetensors")):
        keywords["use_safetensors"] = True
    if not model.fine_tuned:
        keywords |= head_config(labels)
    torch.manual_seed(seed)
    with named_errors(folder, model):
        # Where there are only .bin files, transformers reads them with weights_only=True: no pickled code is run.
        # Misshapen weights are ignored here to be told, by name, below.
        network, loaded = AutoModelForSequenceClassification.from_pretrained(
            where, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True, **keywords
        )
    require_weights(loaded, model, network)
    if model.fine_tuned:
        _fit_head(network, labels, model)
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


def _fit_head(network: PreTrainedModel, labels: Sequence[str], model: ModelConfig) -> None:
    """Put the outputs of a fine-tuned head into the task's order of classes."""
    outputs = [str(network.config.id2label[index]) for index in range(network.config.num_labels)]
    order = match_labels(outputs, labels, model.name)
    if order != list(range(len(order))):
        _reorder(network, order)
    for name, value in head_config(labels).items():
        setattr(network.config, name, value)


def match_labels(outputs: Sequence[str], labels: Sequence[str], name: str) -> list[int]:
    """Return for each of the task's `labels` the output of the model that stands for it.

    By name, in any case, where the names are the same; else, where no name is shared, by place.

    Raises
    ------
    StageError : ``bad_labels`` when the numbers differ or only some names are shared, where a guess could be wrong.
    """
    wanted = max(1, len(labels))
    both = f"model {name} has {_listed(outputs)}, the task {_listed(labels) if labels else 'one number'}"
    if len(outputs) != wanted:
        raise StageError("bad_labels", f"labels do not fit the head: {both}")
    places = {output.casefold(): index for index, output in enumerate(outputs)}
    folded = [label.casefold() for label in labels]
    shared = set(places) & set(folded)
    if labels and len(shared) == len(set(folded)) == wanted:
        return [places[label] for label in folded]
    if shared:
        raise StageError("bad_labels", f"only some labels match the head's: {both}; set task.labels")
    return list(range(wanted))


def _reorder(network: PreTrainedModel, order: list[int]) -> None:
    import torch

    head = _output_layer(network, len(order))
    with torch.no_grad():
        head.weight.copy_(head.weight[order].clone())
        if head.bias is not None:
            head.bias.copy_(head.bias[order].clone())


def _output_layer(network: PreTrainedModel, outputs: int) -> torch.nn.Linear:
    import torch

    layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)]
    if not layers or layers[-1].out_features != outputs:
        raise StageError("bad_labels", "cannot tell which layer is the head; set task.labels in the model's order")
    return layers[-1]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"{len(names)} ({shown})"
