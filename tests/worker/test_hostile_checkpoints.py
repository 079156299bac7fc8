"""A damaged checkpoint and fields that no model can follow have a kind of their own, and are never an ``error``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.backend_env import environment_python, run_in

pytestmark = pytest.mark.backend("torch")

#: Runs the stages as the child's entry does, each case on a copy of a whole checkpoint with a change, and prints what
#: each has come to: the kind and the message of its failure, or "ok".
_STAGES = """
import io, shutil
from pathlib import Path
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast
from harness.plan.cell import from_dict
from harness.plan.config import ModelConfig, TaskConfig
from harness.worker import finetune, tokenise
from harness.worker.__main__ import _named
from harness.worker.channel import Report
from types import SimpleNamespace

base, cases = Path(ARGS[0]), ARGS[1]
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "a", "the"]
whole = base / "whole"
whole.mkdir()
(whole / "vocab.txt").write_text("\\n".join(words))
torch.manual_seed(0)
sizes = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=16, **sizes)).save_pretrained(whole)
BertTokenizerFast(vocab_file=str(whole / "vocab.txt"), model_max_length=16).save_pretrained(whole)

def change(folder, files):
    for name, change in files.items():
        path = folder / name
        if isinstance(change, dict):
            path.write_text(json.dumps(json.loads(path.read_text()) | change))
        elif change is None:
            path.unlink()
        elif isinstance(change, int):
            path.write_bytes(path.read_bytes()[:change])
        else:
            path.write_text(change)

found = {}
for name, case in cases.items():
    folder, out = base / name / "model", base / name / "out"
    shutil.copytree(whole, folder)
    change(folder, case["files"])
    task = from_dict(TaskConfig, {"name": "words", **case["task"]})
    cell = SimpleNamespace(task=task, model=ModelConfig(name="tiny", fine_tuned=False))
    inputs = {"task": str(base / "data"), "model": str(folder), "tokenised": str(out / "tokenise")}
    found[name] = ["ok", ""]
    for stage in (tokenise, finetune):
        place = out / stage.__name__.rpartition(".")[2]
        place.mkdir(parents=True)
        try:
            stage.run({"inputs": inputs, "out": str(place), "threads": 2}, cell, Report(io.StringIO()))
        except BaseException as error:
            found[name] = list(_named(error, str(place)))
            break
print(json.dumps(found))
"""

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
