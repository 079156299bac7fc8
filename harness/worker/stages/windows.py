"""The stage `windows`: running text cut into rows of equally many tokens, once for all cells of a task and tokenizer.

Takes the place of `tokenise` for language models. Documents are joined, each ended by the tokenizer's token for that,
and cut without overlap. The first token of a window is only read; each other is predicted from those before it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.token_rows import Rows
from harness.errors import StageError
from harness.models.base import architecture, config_values
from harness.models.limits import bounded, positions
from harness.tasks.readers import reader
from harness.worker.stages.tokenise import FACTS_FILE, tokenizer_fingerprint

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from harness.config.cell import Cell
    from harness.ipc.report import Report


def run(spec: dict[str, Any], cell: Cell, report: Report) -> dict[str, Any]:
    """Write ``train.npz``, ``evaluation.npz`` and ``task.json`` into ``spec["out"]``.

    A row's label is how many of its tokens are predicted: what its mean loss weighs in a perplexity.

    Returns
    -------
    dict : rows, fingerprints (SHA-256 of the rows' tokens), labels (none), references, max_length, positions (that the
        model has, None where that is not known) and tokenizer_fingerprint.

    Raises
    ------
    StageError : ``bad_data`` where a split is shorter than one window; whatever reading raises.
    """
    task, out = cell.task, Path(spec["out"])
    folders = {name: None if path is None else Path(path) for name, path in spec["inputs"].items()}
    report.progress("windows", 0, 1, "reading")
    documents = reader(task.reader).read(folders["task"], task)
    tokenizer = architecture(cell.model.architecture).load_tokenizer(folders["model"], cell.model)
    # A GGUF file has no config.json beside it.
    folder = folders["model"]
    config = {} if folder is not None and not folder.is_dir() else config_values(folder, cell.model)
    there = positions(config)
    length = bounded(task.max_length, tokenizer.model_max_length, there)
    limits = {"train": task.split.limit_train, "evaluation": task.split.limit_evaluation}
    splits: dict[str, Rows] = {}
    for done, (name, texts) in enumerate(documents.items()):
        report.progress("windows", done, len(documents), name)
        splits[name] = as_rows(cut(tokens(texts, tokenizer), length, limits[name], f"task {task.name}, {name} split"))
        splits[name].save(out / f"{name}.npz")
    facts = {"kind": task.kind, "labels": [], "max_length": length, "positions": there}
    (out / FACTS_FILE).write_text(json.dumps(facts, indent=1) + "\n")
    return {
        "rows": {name: len(rows) for name, rows in splits.items()},
        "fingerprints": {name: _fingerprint(rows) for name, rows in splits.items()},
        "labels": [],
        "references": splits["evaluation"].labels.tolist(),
        "max_length": length,
        "positions": there,
        "tokenizer_fingerprint": tokenizer_fingerprint(tokenizer),
    }


def tokens(documents: list[str], tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    """Return the tokens of all documents, each with an end; int64, shape (tokens,)."""
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    encoded = tokenizer(documents, add_special_tokens=False, return_attention_mask=False)["input_ids"]
    return np.concatenate([np.asarray([*ids, *end], np.int64) for ids in encoded])


def cut(stream: np.ndarray, length: int, limit: int | None, where: str) -> np.ndarray:
    """Return windows of `length` tokens, shape (windows, length); the first `limit`, and no shorter one at the end.

    Raises
    ------
    StageError : ``bad_data`` where there is none.
    """
    count = len(stream) // length
    if not count:
        raise StageError("bad_data", f"{where}: {len(stream)} tokens are less than one window of {length}")
    return stream[: count * length].reshape(count, length)[:limit]


def as_rows(windows: np.ndarray) -> Rows:
    """Return windows as rows, each with the number of its predicted tokens as its label."""
    count, length = windows.shape
    return Rows(
        input_ids=windows.reshape(-1),
        token_type_ids=np.zeros(windows.size, np.int64),
        offsets=np.arange(count + 1) * length,
        labels=np.full(count, length - 1, np.float32),
    )


def _fingerprint(rows: Rows) -> str:
    return hashlib.sha256(np.ascontiguousarray(rows.input_ids, "<i4").tobytes()).hexdigest()
