"""Language models of the Llama architecture, from a GGUF file, a folder or a hub; evaluated as they are.

H. Touvron et al., "LLaMA: Open and Efficient Foundation Language Models", arXiv 2302.13971, 2023.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StageError
from harness.models import base

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from harness.config.schema import ModelConfig

#: What it reads.
MODALITY = "prose"


def load(
    folder: Path | None, model: ModelConfig, *, labels: Sequence[str], seed: int, fixed: bool = False
) -> PreTrainedModel:
    """Load the model in FP32, in evaluation mode; weights that a GGUF file holds in fewer bits as what they stand for.

    Parameters
    ----------
    folder : a GGUF file or a checkpoint's folder, or None for the hub id and revision of ``model.source``.
    labels, seed, fixed : of no meaning here: there is no head, and nothing is drawn.

    Raises
    ------
    StageError : ``bad_config`` for a model that is to be trained; ``missing_file``, ``damaged``, ``no_package``,
        ``no_network`` when it cannot be loaded.
    """
    import torch

    if not model.fine_tuned:
        raise StageError("bad_config", f"model.fine_tuned=false: language model {model.name} is not trained here")
    where, keywords = origin(folder, model)
    with _named_errors(folder, model):
        config = base.own_config(where, keywords)
        network, loaded = network_class().from_pretrained(
            where, config=config, dtype=torch.float32, output_loading_info=True, **keywords
        )
    absent = [*loaded["missing_keys"], *loaded["mismatched_keys"]]
    if absent:
        raise StageError("damaged", f"model {model.name}: {len(absent)} weights missing or misshapen: {absent[0]}")
    return network.eval()


def load_tokenizer(folder: Path | None, model: ModelConfig) -> PreTrainedTokenizerBase:
    """Return the model's tokenizer, which a GGUF file holds too.

    Raises
    ------
    StageError : as :func:`load`.
    """
    from transformers import AutoTokenizer

    if folder is None or folder.is_dir():
        return base.load_tokenizer(folder, model)
    where, keywords = origin(folder, model)
    with _named_errors(folder, model):
        return AutoTokenizer.from_pretrained(where, **keywords)


def origin(folder: Path | None, model: ModelConfig) -> tuple[str, dict[str, Any]]:
    """Return the first argument and the keywords of a ``from_pretrained``; `folder` may be a GGUF file."""
    if folder is not None and folder.suffix == ".gguf":
        if not folder.is_file():
            raise StageError("missing_file", f"{folder}: no such file")
        return str(folder.parent), {"gguf_file": folder.name, "local_files_only": True}
    return base.origin(folder, model)


@contextlib.contextmanager
def _named_errors(folder: Path | None, model: ModelConfig) -> Iterator[None]:
    with base.named_errors(folder, model):
        try:
            yield
        except (ValueError, IndexError, KeyError) as error:
            if folder is None or folder.suffix != ".gguf":
                raise
            # Its reader has no errors of its own: a file that is cut off is an index that is not there.
            line = (str(error).strip().splitlines() or [""])[0]
            raise StageError("damaged", f"{folder}: {type(error).__name__}: {line}") from error


def network_class() -> Any:
    """Return the class of a checkpoint's network."""
    from harness.models.window_loss import WindowLoss

    return WindowLoss
