"""What a checkpoint's ``config.json`` says of the rows that the model can take; read without a framework."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import StageError

#: Fields that hold the number of positions, the first that is there counts.
_POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx")

#: Of ``model_type``: these count positions from behind the padding's number, so the first of the table are never used.
_BEHIND_PADDING = (
    *("roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "camembert", "data2vec-text", "xmod"),
    *("ibert", "luke", "mpnet", "longformer", "esm"),
)

#: Of ``model_type``: these have relative positions only, whatever number their config holds.
_RELATIVE = ("t5", "mt5", "umt5", "xlnet")

#: Bytes of a checkpoint's small JSON files: most have some thousands, with very many labels a few million.
_MOST_BYTES = 2**26

#: A head with more outputs than any that there is.
_MOST_LABELS = 1_000_000


def read_config(folder: Path) -> dict[str, Any]:
    """Return what ``config.json`` of a checkpoint's folder holds.

    Raises
    ------
    StageError : ``missing_file``, also for a file that may not be read; ``damaged``, also for a field that the harness
        reads and that holds what no framework writes there.
    """
    path = folder / "config.json"
    try:
        values = json.loads(read_whole(path).decode())
    except FileNotFoundError as error:
        raise StageError("missing_file", f"{folder}: has no config.json, so it is no model's folder") from error
    except OSError as error:
        raise StageError("missing_file", f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise StageError("damaged", f"{path}: cannot be read as JSON: {error}") from error
    except RecursionError as error:
        raise StageError("damaged", f"{path}: cannot be read as JSON: nested too deeply") from error
    if not isinstance(values, dict):
        raise StageError("damaged", f"{path}: want an object, found {type(values).__name__}")
    for name, (fits, want) in _FIELDS.items():
        value = values.get(name)
        if value is not None and not fits(value):
            raise StageError("damaged", f"{path}: {name} is {_short(value)}, want {want}")
    return values


def read_whole(path: Path) -> bytes:
    """Return what a small file of a checkpoint holds.

    Raises
    ------
    StageError : ``damaged`` for a pipe, a device or another thing whose reading may never end, and for a size that
        no such file has.
    OSError : it is not there, or may not be read.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise StageError("damaged", f"{path}: is no regular file; want a JSON file")
    if found.st_size > _MOST_BYTES:
        raise StageError("damaged", f"{path}: has {found.st_size} bytes; want at most {_MOST_BYTES}")
    return path.read_bytes()


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_outputs(value: Any) -> bool:
    return isinstance(value, Mapping) and all(re.fullmatch("[0-9]{1,9}", key) for key in value)


_WHOLE: tuple[Callable[[Any], bool], str] = (_is_whole, "a whole number")

#: Field -> whether a value can stand there, and what can, for those that the harness reads itself.
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "model_type": (lambda value: isinstance(value, str), "a name"),
    "architectures": (lambda value: isinstance(value, list), "a list of names"),
    "id2label": (_are_outputs, "an object of numbers and names"),
    "num_labels": (lambda value: _is_whole(value) and 0 < value <= _MOST_LABELS, f"1 to {_MOST_LABELS}"),
    "pad_token_id": _WHOLE,
    "eos_token_id": (lambda value: _is_whole(value) or isinstance(value, list), "a whole number or a list of them"),
    **dict.fromkeys(_POSITIONS, _WHOLE),
    **dict.fromkeys(("vocab_size", "type_vocab_size"), _WHOLE),
}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def positions(config: Mapping[str, Any]) -> int | None:
    """Return how many tokens a row may have, special ones included; None where the config sets no bound.

    RoBERTa and its kin begin at the position behind the padding's number: of 514 positions they have 512.
    """
    kind = config.get("model_type")
    if kind in _RELATIVE or config.get("position_biased_input") is False:  # DeBERTa without a table of positions
        return None
    there = next((config[name] for name in _POSITIONS if config.get(name) is not None), None)
    if not isinstance(there, int) or there < 1:
        return None
    if kind in _BEHIND_PADDING:
        padding = config.get("pad_token_id")
        there -= (1 if padding is None else padding) + 1  # RoBERTa's own padding is token 1
    return there if there > 0 else None


def bounded(max_length: int, tokenizer_length: int | None, there: int | None) -> int:
    """Return how many tokens a row is cut to: the task's, the tokenizer's or the model's number, the least of them."""
    return min(number for number in (max_length, tokenizer_length, there) if number is not None)


def require_positions(sequence_length: int | None, there: int | None, model: str) -> None:
    """Raise ``bad_config`` where rows are to be padded to more tokens than the model has positions for."""
    if sequence_length is not None and there is not None and sequence_length > there:
        message = f"protocol.sequence_length={sequence_length}: model {model} has {there} positions"
        raise StageError("bad_config", f"{message} (max_position_embeddings in config.json); want at most {there}")


def pad_token(tokenizer_id: int | None, config: Mapping[str, Any]) -> tuple[int | None, str]:
    """Return the token that fills up a batch, and where it is from: tokenizer, pad_token_id or eos_token_id.

    Many decoders come without one. The end of a text can take its place: a head reads the last token that is no
    padding, and what stands behind it is masked. ``(None, "")`` where there is none of these.
    """
    if tokenizer_id is not None:
        return tokenizer_id, "tokenizer"
    for name in ("pad_token_id", "eos_token_id"):
        found = config.get(name)
        found = found[0] if isinstance(found, list) and found else found
        if isinstance(found, int) and found >= 0:
            return found, name
    return None, ""
