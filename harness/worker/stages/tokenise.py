"""The stage `tokenise`: labelled rows, checked, made ready once for all cells of one task and tokenizer.

Texts are cut into tokens; images stay as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.image_rows import ImageRows
from harness.data.token_rows import ORIGINS_FILE, Rows
from harness.errors import StageError
from harness.models import limits
from harness.models.base import config_values, load_tokenizer
from harness.tasks import checks
from harness.tasks.readers import modality, reader

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from harness.config.cell import Cell
    from harness.config.schema import TaskConfig
    from harness.ipc.report import Report

CHUNK_ROWS = 500

#: Files beside the splits' arrays: the raw rows, and what later stages must know about the task.
DATASET_FOLDER = "dataset"
FACTS_FILE = "task.json"


def run(spec: dict[str, Any], cell: Cell, report: Report) -> dict[str, Any]:
    """Write ``train.npz``, ``evaluation.npz``, ``dataset/``, ``task.json`` and ``origins.json`` into ``spec["out"]``.

    Returns
    -------
    dict : rows, fingerprints (SHA-256 of the rows' content), datasets_fingerprints (those of the library, which
        change with its version), labels, references, leaked_rows_dropped; and of texts max_length, positions (that the
        model has, see :func:`harness.models.limits.positions`), pad_id, truncation (for each split how many texts are
        cut, of how many tokens all texts are, and how many of these are lost) and tokenizer_fingerprint, each None for
        images.

    Raises
    ------
    StageError : whatever reading raises; ``bad_config`` where no token can fill up a batch, or rows are cut too
        short; ``damaged`` where the tokenizer does not fit the model.
    """
    from datasets import DatasetDict, disable_progress_bars

    disable_progress_bars()
    task, out = cell.task, Path(spec["out"])
    folders = {name: None if path is None else Path(path) for name, path in spec["inputs"].items()}
    report.progress("tokenise", 0, 1, "reading")
    checked = checks.check(reader(task.reader).read(folders["task"], task), task)
    splits = {"train": checked.train, "evaluation": checked.evaluation}
    text = dict.fromkeys(("max_length", "positions", "pad_id", "truncation", "tokenizer_fingerprint"))
    if modality(task.reader) == "image":
        for name, rows in splits.items():
            ImageRows(checks.pixels(rows), _labels(rows, task.kind)).save(out / f"{name}.npz")
    else:
        tokenizer = load_tokenizer(folders["model"], cell.model)
        config = config_values(folders["model"], cell.model)
        text |= _tokenise(splits, tokenizer, config, task, out, report)
        text["tokenizer_fingerprint"] = tokenizer_fingerprint(tokenizer)
    (out / ORIGINS_FILE).write_text(json.dumps(checks.origins(checked.evaluation), ensure_ascii=False) + "\n")
    DatasetDict(splits).save_to_disk(out / DATASET_FOLDER)
    facts: dict[str, Any] = {"kind": task.kind, "labels": list(checked.labels)}
    facts |= {name: text[name] for name in ("max_length", "positions", "pad_id")}
    (out / FACTS_FILE).write_text(json.dumps(facts, indent=1) + "\n")
    return {
        "rows": {name: len(rows) for name, rows in splits.items()},
        "fingerprints": {name: fingerprint(rows, checked.labels) for name, rows in splits.items()},
        "datasets_fingerprints": {name: rows._fingerprint for name, rows in splits.items()},
        "labels": list(checked.labels),
        "references": list(checked.evaluation["label"]),
        "leaked_rows_dropped": checked.leaked_rows_dropped,
        **text,
    }


def facts(tokenised: Path) -> dict[str, Any]:
    """Return what ``task.json`` holds: kind, labels, and max_length, positions and pad_id (None for images)."""
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
    splits: dict[str, Dataset],
    tokenizer: PreTrainedTokenizerBase,
    config: Mapping[str, Any],
    task: TaskConfig,
    out: Path,
    report: Report,
) -> dict[str, Any]:
    """Write each split's tokens and return how many a row may have, and what that cuts off."""
    there = limits.positions(config)
    max_length = limits.bounded(task.max_length, tokenizer.model_max_length, there)
    pad_id, _ = limits.pad_token(tokenizer.pad_token_id, config)
    if pad_id is None:
        message = (
            "the tokenizer has no pad token, and config.json neither pad_token_id nor eos_token_id to take instead"
        )
        raise StageError("bad_config", f"{message}; want pad_token in tokenizer_config.json")
    _require_room(tokenizer, max_length, splits)
    done, total, truncation = 0, sum(len(rows) for rows in splits.values()), {}
    for name, rows in splits.items():
        encoded, lengths = [], []
        texts = checks.texts(rows)
        for start in range(0, len(rows), CHUNK_ROWS):
            *part, whole = _encode(tokenizer, texts[start : start + CHUNK_ROWS], max_length)
            encoded.append(part)
            lengths += whole
            done += len(whole)
            report.progress("tokenise", done, total, name)
        _require_known(encoded, pad_id, config)
        lost = [length - max_length for length in lengths if length > max_length]
        truncation[name] = {"texts": len(lost), "tokens": sum(lengths), "tokens_lost": sum(lost)}
        _rows(encoded, _labels(rows, task.kind), pad_id).save(out / f"{name}.npz")
    return {"max_length": max_length, "positions": there, "pad_id": pad_id, "truncation": truncation}


def _require_room(tokenizer: PreTrainedTokenizerBase, max_length: int, splits: dict[str, Dataset]) -> None:
    """Raise ``bad_config`` where a row is cut so short that nothing of its text is left."""
    of_pairs = any("text_pair" in rows.column_names for rows in splits.values())
    marks = tokenizer.num_special_tokens_to_add(pair=of_pairs)
    if max_length <= marks:
        message = f"a row is cut at {max_length} tokens (task.max_length, or what tokenizer and model allow)"
        raise StageError("bad_config", f"{message}, and {marks} mark its ends; want more")


def _require_known(encoded: list[list[list[list[int]]]], pad_id: int, config: Mapping[str, Any]) -> None:
    """Raise ``damaged`` where a row has tokens or segments that the model has no weights of."""
    for field, place in (("vocab_size", 0), ("type_vocab_size", 1)):
        there = config.get(field)
        highest = max((max(row) for part in encoded for row in part[place] if row), default=0)
        highest = max(highest, pad_id) if place == 0 else highest
        # A model without segments says 0.
        if isinstance(there, int) and 0 < there <= highest:
            what = ("token", "segment")[place]
            message = f"the tokenizer gives {what} {highest}, the model knows {there} ({field} in config.json)"
            raise StageError("damaged", f"{message}; they are not of one checkpoint")


def _encode(
    tokenizer: PreTrainedTokenizerBase, texts: list[tuple[str, ...]], max_length: int
) -> tuple[list[list[int]], list[list[int]], list[int]]:
    """Return each text's tokens and segments, cut to `max_length`, and how many tokens it has whole."""
    ids, types = _tokens(tokenizer, texts)
    lengths = [len(row) for row in ids]
    long = [row for row, length in enumerate(lengths) if length > max_length]
    if long:
        # The tokenizer cuts a text itself: what marks its end stays, and of a pair the longer one is cut.
        cut = _tokens(tokenizer, [texts[row] for row in long], truncation=True, max_length=max_length)
        for row, shorter, segments in zip(long, *cut, strict=True):
            ids[row], types[row] = shorter, segments
    return ids, types, lengths


def _tokens(
    tokenizer: PreTrainedTokenizerBase, texts: list[tuple[str, ...]], **truncation: Any
) -> tuple[list[list[int]], list[list[int]]]:
    columns = [list(column) for column in zip(*texts, strict=True)]
    try:
        encoded = tokenizer(*columns, return_attention_mask=False, verbose=False, **truncation)
    except MemoryError:
        raise
    except Exception as error:  # of the library in Rust, which knows no other
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise StageError("damaged", f"the tokenizer cannot cut a text: {line}") from error
    ids = encoded["input_ids"]
    # RoBERTa and DistilBERT have no segments: zeros, which their models ignore.
    types = encoded.get("token_type_ids") or [[0] * len(row) for row in ids]
    return ids, types


def _labels(rows: Dataset, kind: str) -> np.ndarray:
    return np.asarray(list(rows["label"]), np.float32 if kind == "regression" else np.int64)


def _rows(encoded: list[list[list[list[int]]]], labels: np.ndarray, pad_id: int) -> Rows:
    ids = [row for chunk in encoded for row in chunk[0]]
    types = [row for chunk in encoded for row in chunk[1]]
    return Rows(
        input_ids=np.concatenate([np.asarray(row, np.int64) for row in ids]),
        token_type_ids=np.concatenate([np.asarray(row, np.int64) for row in types]),
        offsets=np.cumsum([0, *(len(row) for row in ids)]),
        labels=labels,
        pad_id=pad_id,
    )
