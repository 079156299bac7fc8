"""The stage `tokenise`: labelled rows, checked, made ready once for all cells of one task and tokenizer.

Texts are cut into tokens; images stay as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.models.base import load_tokenizer
from harness.tasks import checks
from harness.tasks.readers import modality, reader
from harness.worker.image_rows import ImageRows
from harness.worker.rows import Rows

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from harness.plan.cell import Cell
    from harness.plan.config import TaskConfig
    from harness.worker.channel import Report

CHUNK_ROWS = 500

#: Files beside the splits' arrays: the raw rows, and what later stages must know about the task.
DATASET_FOLDER = "dataset"
FACTS_FILE = "task.json"


def run(spec: dict[str, Any], cell: Cell, report: Report) -> dict[str, Any]:
    """Write ``train.npz``, ``evaluation.npz``, ``dataset/`` and ``task.json`` into ``spec["out"]``.

    Returns
    -------
    dict : rows, fingerprints (SHA-256 of the rows' content), datasets_fingerprints (those of the library, which
        change with its version), labels, references, leaked_rows_dropped, max_length and tokenizer_fingerprint (None
        for images).
    """
    from datasets import DatasetDict, disable_progress_bars

    disable_progress_bars()
    task, out = cell.task, Path(spec["out"])
    folders = {name: None if path is None else Path(path) for name, path in spec["inputs"].items()}
    report.progress("tokenise", 0, 1, "reading")
    checked = checks.check(reader(task.reader).read(folders["task"], task), task)
    splits = {"train": checked.train, "evaluation": checked.evaluation}
    max_length, tokenizer_digest = None, None
    if modality(task.reader) == "image":
        for name, rows in splits.items():
            ImageRows(checks.pixels(rows), _labels(rows, task.kind)).save(out / f"{name}.npz")
    else:
        tokenizer = load_tokenizer(folders["model"], cell.model)
        max_length, tokenizer_digest = _tokenise(splits, tokenizer, task, out, report), tokenizer_fingerprint(tokenizer)
    DatasetDict(splits).save_to_disk(out / DATASET_FOLDER)
    facts = {"kind": task.kind, "labels": list(checked.labels), "max_length": max_length}
    (out / FACTS_FILE).write_text(json.dumps(facts, indent=1) + "\n")
    return {
        "rows": {name: len(rows) for name, rows in splits.items()},
        "fingerprints": {name: fingerprint(rows, checked.labels) for name, rows in splits.items()},
        "datasets_fingerprints": {name: rows._fingerprint for name, rows in splits.items()},
        "labels": list(checked.labels),
        "references": list(checked.evaluation["label"]),
        "max_length": max_length,
        "tokenizer_fingerprint": tokenizer_digest,
        "leaked_rows_dropped": checked.leaked_rows_dropped,
    }


def facts(tokenised: Path) -> dict[str, Any]:
    """Return what ``task.json`` holds: kind, labels, max_length (None for images)."""
    return json.loads((tokenised / FACTS_FILE).read_text())


def fingerprint(rows: Dataset, labels: Sequence[str]) -> str:
    """Return the SHA-256 over the rows in order: one JSON line each of the content and the label's name or number.

    The content is the texts, or an image's digest, as :func:`harness.tasks.checks.contents` gives it.
    """
    total = hashlib.sha256()
    for content, label in zip(checks.contents(rows), rows["label"], strict=True):
        line = [*content, labels[label] if labels else float(label)]
        total.update(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    return total.hexdigest()


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return a SHA-256 of all that decides which tokens a text becomes."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        # Padding and truncation are set by each call, so they are no part of the tokenizer's identity.
        content = {key: value for key, value in json.loads(backend.to_str()).items() if key not in _PER_CALL}
    else:
        content = {"class": type(tokenizer).__name__, "vocabulary": tokenizer.get_vocab()}
    content["special"] = {key: str(value) for key, value in tokenizer.special_tokens_map.items()}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


_PER_CALL = ("padding", "truncation")


def _tokenise(
    splits: dict[str, Dataset], tokenizer: PreTrainedTokenizerBase, task: TaskConfig, out: Path, report: Report
) -> int:
    """Write each split's tokens and return how many a row may have."""
    max_length = min(task.max_length, tokenizer.model_max_length)
    done, total = 0, sum(len(rows) for rows in splits.values())
    for name, rows in splits.items():
        encoded = []
        texts = checks.texts(rows)
        for start in range(0, len(rows), CHUNK_ROWS):
            encoded.append(_encode(tokenizer, texts[start : start + CHUNK_ROWS], max_length))
            done += len(encoded[-1][0])
            report.progress("tokenise", done, total, name)
        _rows(encoded, _labels(rows, task.kind), tokenizer).save(out / f"{name}.npz")
    return max_length


def _encode(
    tokenizer: PreTrainedTokenizerBase, texts: list[tuple[str, ...]], max_length: int
) -> tuple[list[list[int]], list[list[int]]]:
    columns = [list(column) for column in zip(*texts, strict=True)]
    encoded = tokenizer(*columns, truncation=True, max_length=max_length, return_attention_mask=False)
    ids = encoded["input_ids"]
    # RoBERTa and DistilBERT have no segments: zeros, which their models ignore.
    types = encoded.get("token_type_ids") or [[0] * len(row) for row in ids]
    return ids, types


def _labels(rows: Dataset, kind: str) -> np.ndarray:
    return np.asarray(list(rows["label"]), np.float32 if kind == "regression" else np.int64)


def _rows(encoded: list[tuple[list, list]], labels: np.ndarray, tokenizer: PreTrainedTokenizerBase) -> Rows:
    ids = [row for chunk in encoded for row in chunk[0]]
    types = [row for chunk in encoded for row in chunk[1]]
    return Rows(
        input_ids=np.concatenate([np.asarray(row, np.int64) for row in ids]),
        token_type_ids=np.concatenate([np.asarray(row, np.int64) for row in types]),
        offsets=np.cumsum([0, *(len(row) for row in ids)]),
        labels=labels,
        pad_id=tokenizer.pad_token_id or 0,
    )
