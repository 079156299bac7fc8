"""A damaged checkpoint and fields that no model can follow have a kind of their own, and are never an ``error``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.backend_env import environment_python, program_text, run_in

pytestmark = pytest.mark.backend("torch")

#: Runs the stages as the child's entry does, each case on a copy of a whole checkpoint with a change, and prints what
#: each has come to: the kind and the message of its failure, or "ok".
_STAGES = program_text(__file__, "hostile_checkpoints_stages")

_TASK: dict[str, Any] = {
    "max_length": 12,
    "split": {"train": "train", "evaluation": "test"},
    "fine_tune": {"epochs": 1.0, "frozen": [], "batch_size": 8},
}


def _case(files: dict[str, Any] | None = None, **task: Any) -> dict[str, Any]:
    """Return what is changed of a checkpoint's files, by name, and of the task."""
    return {"files": files or {}, "task": {**_TASK, **task}}


_TOKENIZER = "tokenizer.json"

#: Name -> the case, the kind of its failure, and words of its message.
CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "whole": (_case(), "ok", ""),
    "config_null": (_case({"config.json": "null"}), "damaged", "want an object, found NoneType"),
    "config_list": (_case({"config.json": "[]"}), "damaged", "want an object, found list"),
    "config_deep": (_case({"config.json": "[" * 100_000}), "damaged", "nested too deeply"),
    "config_cut": (_case({"config.json": 40}), "damaged", "cannot be read as JSON"),
    "config_words": (_case({"config.json": {"hidden_size": "wide"}}), "damaged", "cannot be loaded"),
    "config_no_heads": (_case({"config.json": {"num_attention_heads": 0}}), "damaged", "cannot be loaded"),
    "config_activation": (_case({"config.json": {"hidden_act": "nope"}}), "damaged", "cannot be loaded"),
    "config_depth": (_case({"config.json": {"num_hidden_layers": "1"}}), "damaged", "cannot be loaded"),
    "tokenizer_cut": (_case({_TOKENIZER: 200}), "damaged", "model"),
    "tokenizer_null": (_case({_TOKENIZER: "null"}), "damaged", "model"),
    "tokenizer_list": (_case({_TOKENIZER: "[]"}), "damaged", "model"),
    "tokenizer_empty": (_case({_TOKENIZER: ""}), "damaged", "model"),
    "tokenizer_version": (_case({_TOKENIZER: {"version": "9.9"}}), "damaged", "model"),
    "tokenizer_model": (_case({_TOKENIZER: {"model": {"type": "Nope"}}}), "damaged", "model"),
    "tokenizer_config_list": (_case({"tokenizer_config.json": "[]"}), "damaged", "model"),
    "weights_cut": (_case({"model.safetensors": 100}), "damaged", "model"),
    "weights_text": (_case({"model.safetensors": "no weights"}), "damaged", "model"),
    "foreign_tokenizer": (_case({"config.json": {"vocab_size": 6}}), "damaged", "vocab_size in config.json"),
    "same_column": (_case(label="text"), "bad_config", "task.text and task.label both name the column 'text'"),
    "same_pair": (_case(text_pair="label"), "bad_config", "task.text_pair and task.label both name the column 'label'"),
    "no_room": (_case(max_length=2), "bad_config", "a row is cut at 2 tokens"),
    "absolute_split": (_case(split={**_TASK["split"], "train": "/nowhere/x"}), "missing_file", "'/nowhere/x'"),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return the kind and the message that each case has come to."""
    base = tmp_path_factory.mktemp("hostile")
    (base / "data").mkdir()
    for name, count in (("train", 40), ("test", 20)):
        rows = [f"a {'good' if row % 2 else 'bad'} film{' the' * (row // 2 % 4)} {name} {row}" for row in range(count)]
        text = "".join(f"{line},{'yes' if row % 2 else 'no'}\n" for row, line in enumerate(rows))
        (base / "data" / f"{name}.csv").write_text("text,label\n" + text)
    return run_in(environment_python("torch"), _STAGES, base, {name: case for name, (case, *_) in CASES.items()})


@pytest.mark.parametrize("name", CASES)
def test_each_case_has_its_kind_and_its_words(found: dict[str, list[str]], name: str) -> None:
    _, kind, words = CASES[name]
    assert (found[name][0], words in found[name][1]) == (kind, True), found[name]
    assert "\n" not in found[name][1] and len(found[name][1]) <= 1000
