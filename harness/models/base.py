"""What every architecture's file shares: where a model comes from, its tokenizer, and errors with a name.

An architecture's file offers ``load(folder, model, labels=..., seed=..., fixed=...)``; it is found by
``model.architecture``. Where it reads images instead of tokens, it says so by ``MODALITY = "image"``; where it has no
source, because it is built from ``model.options`` with weights from the seed, by ``BUILT = True``.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness import registry
from harness.errors import StageError
from harness.ipc.oom import is_oom_message
from harness.models import limits
from harness.models.checkpoint import TOKENIZER_FILES

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from harness.config.schema import ModelConfig

#: What transformers says of a file that is there but is not JSON, or holds no weights.
_UNREADABLE = ("not a valid JSON", "Unable to load weights")

_AUTO_CLASSES = {"text": "AutoModelForSequenceClassification", "image": "AutoModelForImageClassification"}


def architecture(name: str) -> ModuleType:
    """Return the module that loads `name`, of this folder or a plugin; ``bad_config`` when there is none."""
    return registry.MODELS.module(name)


@functools.cache
def modality(name: str) -> str:
    """Return what the architecture `name` reads, ``text`` or ``image``; ``bad_config`` when there is none."""
    return getattr(architecture(name), "MODALITY", "text")


@functools.cache
def is_built(name: str) -> bool:
    """Say whether the architecture `name` needs no source; ``bad_config`` when there is none of that name."""
    return getattr(architecture(name), "BUILT", False)


def auto_class(name: str) -> type:
    """Return the class of transformers that loads any checkpoint with a head of what the architecture `name` reads."""
    import transformers

    return getattr(transformers, _AUTO_CLASSES[modality(name)])


def origin(folder: Path | None, model: ModelConfig) -> tuple[str, dict[str, Any]]:
    """Return the first argument and the keywords of a ``from_pretrained``: a local folder, or a hub id at a revision.

    Code that a checkpoint brings is run only where the model's config says so.
    """
    if folder is not None:
        if not folder.is_dir():
            raise StageError("missing_file", f"{folder}: no such model folder")
        if not (folder / "config.json").is_file():
            raise StageError("missing_file", f"{folder}: has no config.json, so it is no model's folder")
        _require_own_weights(folder)
        return str(folder), {"trust_remote_code": model.trust_remote_code, "local_files_only": True}
    if model.source.hub_id is None:
        raise StageError("bad_config", f"model {model.name}: model.source names neither package, hub_id nor path")
    keywords = {"trust_remote_code": model.trust_remote_code, "revision": model.source.revision}
    return model.source.hub_id, keywords


def _require_own_weights(folder: Path) -> None:
    """Raise ``damaged`` where an index of weights in several files names one that is not of this folder."""
    for path in sorted(folder.glob("*.index.json")):
        with contextlib.suppress(
            OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError
        ):  # told by what loads it
            for name in json.loads(path.read_text(encoding="utf-8"))["weight_map"].values():
                if Path(name).name != name:
                    raise StageError("damaged", f"{path}: names {name!r}, which is no file of its folder")


def own_config(where: str, keywords: Mapping[str, Any], **fields: Any) -> PretrainedConfig:
    """Return the config of the checkpoint that :func:`origin` names, with `fields` in it; pass it on to what loads.

    A config can name a kernel of a hub as its attention, which is code whatever ``trust_remote_code`` and a keyword
    ``attn_implementation`` say, and weights that lie elsewhere. Without these transformers takes what the architecture
    and the folder have.
    """
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(where, **keywords, **fields)
    for name in ("_attn_implementation", "_experts_implementation", "transformers_weights"):
        if hasattr(config, name):
            setattr(config, name, None)
    return config


@contextlib.contextmanager
def named_errors(folder: Path | None, model: ModelConfig) -> Iterator[None]:
    """Give what transformers raises for a checkpoint that cannot be loaded the kind that a failure record has."""
    where = str(folder) if folder is not None else f"{model.source.hub_id} at {model.source.revision}"
    try:
        yield
    except OSError as error:
        if error.errno is not None:  # the operating system's own: no space left, and the like
            raise
        message = f"{where}: {_line(error)}"
        if folder is not None:
            unreadable = any(words in str(error) for words in _UNREADABLE)
            raise StageError("damaged" if unreadable else "missing_file", message) from error
        offline = "connect" in str(error) or "offline" in str(error)
        raise StageError("no_network" if offline else "no_package", message) from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise StageError("damaged", f"{where}: a file of it cannot be read: {_line(error)}") from error
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise StageError("bad_config", f"{where}: {_line(error)}") from error
        message = f"{where}: the model brings its own code; model.trust_remote_code=true runs it"
        raise StageError("bad_config", message) from error
    except (StageError, ImportError, MemoryError):
        raise
    except Exception as error:
        # A config, tokenizer or weights that say what they cannot mean fail anywhere in transformers and below it.
        if is_oom_message(str(error)):
            raise
        name = "" if type(error).__name__ == "SafetensorError" else f"cannot be loaded: {type(error).__name__}: "
        raise StageError("damaged", f"{where}: {name}{_line(error)}") from error


def config_values(folder: Path | None, model: ModelConfig) -> dict[str, Any]:
    """Return the fields of the checkpoint's ``config.json``.

    Raises
    ------
    StageError : ``missing_file`` or ``damaged``, and as :func:`named_errors`.
    """
    if folder is not None:
        return limits.read_config(folder)
    from transformers import AutoConfig

    where, keywords = origin(folder, model)
    with named_errors(folder, model):
        return AutoConfig.from_pretrained(where, **keywords).to_dict()


def load_tokenizer(folder: Path | None, model: ModelConfig) -> PreTrainedTokenizerBase:
    """Return the model's tokenizer.

    Raises
    ------
    StageError : ``missing_file``, ``damaged``, and as :func:`named_errors`.
    """
    from transformers import AutoTokenizer

    where, keywords = origin(folder, model)
    if folder is not None and not any(path for pattern in TOKENIZER_FILES for path in folder.glob(pattern)):
        # transformers would ask for packages that could make one of a file it does not have either.
        raise StageError("missing_file", f"{folder}: has no tokenizer, such as tokenizer.json or vocab.txt")
    if folder is not None:
        _require_readable(folder / "tokenizer.json")
    with named_errors(folder, model):
        return AutoTokenizer.from_pretrained(where, **keywords)


def _require_readable(path: Path) -> None:
    """Raise ``damaged`` where a file is there that the fast tokenizers cannot read.

    transformers would take vocab.txt instead where there is one, which may cut texts in another way.
    """
    from tokenizers import Tokenizer

    if not path.is_file():
        return
    try:
        Tokenizer.from_file(str(path))
    except Exception as error:  # of the library in Rust, which knows no other
        raise StageError("damaged", f"{path}: is no tokenizer: {_line(error)}") from error


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
