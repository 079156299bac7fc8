"""The reader `prose`, on small files of text and of Orange's format."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config.schema import SplitConfig, TaskConfig
from harness.errors import StageError
from harness.tasks.readers.prose import read

HEADER = "Title\tContent\nstring\tstring\n\tinclude=True\n"


def _task(**fields: object) -> TaskConfig:
    split = SplitConfig(train=fields.pop("train", "train"), evaluation=fields.pop("evaluation", "test"))
    return TaskConfig(name="tales", reader="prose", kind="language_modelling", split=split, **fields)


def _written(folder: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        path = folder / name.replace("_", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def test_a_text_file_is_one_document_and_shards_are_read_in_order(tmp_path):
    folder = _written(tmp_path, test_txt="One day.\n\nIt rained.\n")
    for shard in (1, 0):
        (folder / f"train-{shard}.txt").write_text(f"tale {shard}")
    assert read(folder, _task()) == {"train": ["tale 0", "tale 1"], "evaluation": ["One day.\n\nIt rained."]}


def test_a_column_of_a_table_holds_the_documents(tmp_path):
    folder = _written(tmp_path, train_tab=HEADER + 'A\t"a ""quoted"" tale"\n\nB\tb\nC\t \n', test_tab=HEADER + "D\td\n")
    assert read(folder, _task(text="Content")) == {"train": ['a "quoted" tale', "b"], "evaluation": ["d"]}


def test_a_document_of_any_length_is_read(tmp_path):
    folder = _written(tmp_path, train_tab=HEADER + f"A\t{'word ' * 60_000}\n", test_txt="d")
    assert len(read(folder, _task(text="Content"))["train"][0]) == 299_999


def test_what_is_evaluated_is_not_trained_on(tmp_path):
    folder = _written(tmp_path, train_tab=HEADER + "A\tshared\nB\tb\n", test_tab=HEADER + "C\tshared \n")
    assert read(folder, _task(text="Content"))["train"] == ["b"]


@pytest.mark.parametrize(
    ("content", "fields", "kind", "words"),
    [
        (
            HEADER + "A\ta\n",
            {"text": "Contents"},
            "bad_data",
            "no column 'Contents' (task.text); did you mean 'Content'?",
        ),
        (HEADER + "A\ta\tb\n", {"text": "Content"}, "bad_data", "train.tab, row 4: 3 fields, not 2"),
        ("Title\tContent\n", {"text": "Content"}, "bad_data", "has 1 rows"),
        (HEADER, {"text": "Content"}, "bad_data", "the train split has no document"),
        (HEADER + "A\td\n", {"text": "Content"}, "bad_data", "the train split has no document of its own"),
        (b"\xff\xfe", {"text": "Content"}, "bad_data", "train.tab: "),
        (HEADER + "A\ta\n", {"evaluation": None}, "bad_config", "task.split.evaluation"),
        (HEADER + "A\ta\n", {"evaluation": "tset", "text": "Content"}, "missing_file", "no file for the split 'tset'"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, content, fields, kind, words):
    folder = _written(tmp_path, train_tab=content, test_txt="d")
    with pytest.raises(StageError) as raised:
        read(folder, _task(**fields))
    assert raised.value.kind == kind and words in raised.value.message and "\n" not in raised.value.message


def test_a_hub_is_refused():
    with pytest.raises(StageError, match="package or path"):
        read(None, _task())
