"""What a checkpoint's folder tells without a framework: its head, its limits, and what of it cannot be loaded."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StageError
from harness.models import limits
from harness.models.labels import require_one_label_a_row

if TYPE_CHECKING:
    from harness.config.schema import ModelConfig

#: The files that weights and a tokenizer can be made of.
WEIGHT_FILES = ("*.safetensors", "*.bin")
TOKENIZER_FILES = ("tokenizer*", "vocab*", "*.model")

#: Tokenizers without a bound say 1e30.
_NO_BOUND = 10**9

#: Of ``model.architecture``: these load their own kind, and a BERT whose head is new.
_OWN_KIND = ("distilbert", "electra", "roberta")

#: How the names of transformers' classes with a head for rows of text or images end.
_HEADED = ("ForSequenceClassification", "ForImageClassification")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's folder, as far as its JSON files tell.

    Attributes
    ----------
    config : what ``config.json`` holds.
    outputs : the names of a head's outputs, in its order; ``LABEL_0`` and so on where it has no names.
    positions : tokens that a row may have; None where the config sets no bound.
    tokenizer_length : the tokenizer's own bound, None where it has none.
    pad_id, pad_from : see :func:`harness.models.limits.pad_token`.
    """

    config: Mapping[str, Any]
    outputs: tuple[str, ...]
    positions: int | None
    tokenizer_length: int | None
    pad_id: int | None
    pad_from: str


def read_checkpoint(folder: Path) -> Checkpoint:
    """Return what a checkpoint's folder tells.

    Raises
    ------
    StageError : ``missing_file`` where the folder, its config, weights or tokenizer are not there; ``damaged``.
    """
    if not folder.is_dir():
        raise StageError("missing_file", f"{folder}: no such model folder")
    config = limits.read_config(folder)
    for patterns, what in (
        (WEIGHT_FILES, "weights, such as model.safetensors"),
        (TOKENIZER_FILES, "tokenizer, such as tokenizer.json or vocab.txt"),
    ):
        if not any(path for pattern in patterns for path in folder.glob(pattern)):
            raise StageError("missing_file", f"{folder}: has no {what}")
    tokenizer = _json(folder / "tokenizer_config.json")
    pad_id, pad_from = (0, "tokenizer") if _has_pad(folder, tokenizer, config) else limits.pad_token(None, config)
    longest = tokenizer.get("model_max_length")
    longest = longest if isinstance(longest, int) and 0 < longest < _NO_BOUND else None
    return Checkpoint(config, _outputs(config), limits.positions(config), longest, pad_id, pad_from)


def require_loadable(found: Checkpoint, model: ModelConfig) -> None:
    """Raise where the checkpoint cannot be loaded as the model's config asks.

    Raises
    ------
    StageError : ``bad_config`` for an architecture that the files do not fit, or a head that is not there;
        ``bad_labels`` for a multi-label head.
    """
    kind, named = found.config.get("model_type"), f"model {model.name}"
    if model.architecture in _OWN_KIND and kind != model.architecture:
        if kind != "bert":
            message = f"model.architecture={model.architecture}, but the checkpoint is of model_type {kind}"
            raise StageError("bad_config", f"{named}: {message}; want {model.architecture} or bert")
        if model.fine_tuned:
            message = f"fine_tuned=true, but the head of a bert does not fit {model.architecture}"
            raise StageError("bad_config", f"{named}: {message}; want model.architecture=bert")
    if not model.fine_tuned:
        return
    classes = found.config.get("architectures") or []
    if classes and not any(str(name).endswith(_HEADED) for name in classes):
        message = f"fine_tuned=true, but config.json names {', '.join(map(str, classes))}, which has no head for labels"
        raise StageError("bad_config", f"{named}: {message}; want a fine-tuned checkpoint, or model.fine_tuned=false")
    require_one_label_a_row(found.config.get("problem_type"), model.name)


def misfit(model: ModelConfig, kinds: Sequence[str] | None) -> str | None:
    """Return one line on why a backend that reads only these model types cannot run the model, or None.

    Parameters
    ----------
    kinds : of ``model_type`` in config.json; None where the backend takes whatever transformers loads.
    """
    if kinds is None or model.source.path is None or model.architecture in _OWN_KIND:
        return None
    kind = _model_type(model.source.path)
    if kind is None or kind in kinds:
        return None
    return f"model_type {kind} in config.json of {model.name} is not ported to this backend; valid: {', '.join(kinds)}"


@functools.cache
def _model_type(path: str) -> str | None:
    """Return the ``model_type`` of a folder's config.json, read once for all cells of a plan."""
    try:
        return limits.read_config(Path(path).expanduser()).get("model_type")
    except StageError:
        return None  # told as what it is, before anything runs


def _has_pad(folder: Path, tokenizer: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Say whether the tokenizer has a pad token: in its config, in the file for such in older ones, or by its class."""
    if "pad_token" in tokenizer:
        return tokenizer["pad_token"] is not None
    if _json(folder / "special_tokens_map.json").get("pad_token"):
        return True
    return config.get("model_type") in (*_OWN_KIND, "bert")


def _outputs(config: Mapping[str, Any]) -> tuple[str, ...]:
    names = config.get("id2label")
    if isinstance(names, Mapping) and names:
        return tuple(str(names[key]) for key in sorted(names, key=int))
    # What transformers takes for granted.
    count = config.get("num_labels", 2)
    return tuple(f"LABEL_{index}" for index in range(count if isinstance(count, int) else 2))


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(limits.read_whole(path).decode())
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
