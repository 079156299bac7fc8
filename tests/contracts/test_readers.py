"""What every reader keeps: the same rows each time, under the names that stages take, and a name for each damage.

A reader is a function ``read(source, task)`` (:mod:`harness.tasks.readers`). One of the tree needs a sample in
:mod:`tests.contracts.samples`; one of a project has none, and is held to how it fails alone.
"""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest

from harness.registry import READERS
from harness.tasks.readers import modality, reader
from tests.backend_env import environment_python, run_in
from tests.contracts.samples import EVALUATION, SAMPLES, TRAIN
from tests.tasks.reading import task

#: Columns of what a reader gives; documents of prose have none.
COLUMNS = {"text": {"text", "label"}, "image": {"image", "label"}, "prose": set()}

#: Columns that it may give besides.
MORE = {"text_pair", "origin"}

_READ = """
import traceback
from pathlib import Path
from harness.errors import StageError
from harness.config.cell import from_dict
from harness.config.schema import TaskConfig
from harness.tasks.readers import reader

def plain(rows):
    return {"": rows} if isinstance(rows, list) else {column: list(rows[column]) for column in rows.column_names}

found = {}
for name, (source, values) in ARGS[0].items():
    task = from_dict(TaskConfig, values)
    try:
        splits = reader(task.reader).read(source and Path(source), task)
        found[name] = {split: plain(rows) for split, rows in splits.items()}
    except StageError as error:
        found[name] = {"kind": error.kind, "message": error.message}
    except Exception:
        found[name] = {"kind": "uncaught", "message": traceback.format_exc()}
print(json.dumps(found))
"""


def _damaged(base: Path, name: str, content: bytes) -> Path:
    """Write a reader's sample and put `content` in the place of each of its files."""
    folder = base / f"{name} {len(content)}"
    folder.mkdir()
    SAMPLES[name](folder)
    for file in folder.iterdir():
        file.write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Read all samples, and all that is no sample, in one process of the environment that has `datasets`."""
    base = tmp_path_factory.mktemp("readers")
    (base / "empty").mkdir()
    cases: dict[str, tuple[Path | None, Any]] = {}
    for name in READERS.names():
        plain = task(name, evaluation="test", kind="language_modelling" if modality(name) == "prose" else "regression")
        cases[f"{name}, nowhere"] = (base / "nowhere", plain)
        cases[f"{name}, empty"] = (base / "empty", plain)
        if name not in SAMPLES:
            continue
        source = base / name
        source.mkdir()
        sample = SAMPLES[name](source)
        limited = dataclasses.replace(sample.split, limit_train=5, limit_evaluation=3)
        held_out = dataclasses.replace(sample.split, evaluation=None, held_out=6)
        seeded = dataclasses.replace(held_out, seed=1)
        cases[name] = cases[f"{name}, again"] = (source, sample)
        cases[f"{name}, limited"] = (source, dataclasses.replace(sample, split=limited))
        cases[f"{name}, held out"] = (source, dataclasses.replace(sample, split=held_out))
        cases[f"{name}, seeded"] = (source, dataclasses.replace(sample, split=seeded))
        cases[f"{name}, no bytes"] = (_damaged(base, name, b""), sample)
        cases[f"{name}, any bytes"] = (_damaged(base, name, bytes(range(128, 256)) * 8), sample)
    values = {case: (source, dataclasses.asdict(config)) for case, (source, config) in cases.items()}
    return run_in(environment_python("torch"), _READ, values)


def rows_of(split: dict[str, list[Any]]) -> list[str]:
    """Return the rows of a split, each as text."""
    return [repr(row) for row in zip(*(split[name] for name in sorted(split)), strict=True)]


def test_each_reader_of_the_tree_has_a_sample():
    assert sorted(SAMPLES) == READERS.shipped()


@pytest.mark.parametrize("name", READERS.names())
def test_a_reader_takes_a_source_and_a_task_and_says_what_it_gives(name):
    assert list(inspect.signature(reader(name).read).parameters) == ["source", "task"]
    assert modality(name) in COLUMNS


@pytest.mark.backend("torch")
@pytest.mark.parametrize("name", SAMPLES)
def test_both_splits_have_all_rows_under_the_names_that_stages_take(read, name):
    found = read[name]
    assert set(found) == {"train", "evaluation"}, found
    assert [len(rows_of(found[split])) for split in ("train", "evaluation")] == [TRAIN, EVALUATION]
    assert not set(rows_of(found["train"])).intersection(rows_of(found["evaluation"]))
    for split in found.values():
        wanted = COLUMNS[modality(name)] or {""}
        assert wanted <= set(split) <= wanted | MORE
        for column in {"text", ""}.intersection(split):
            assert all(isinstance(text, str) and text.strip() == text != "" for text in split[column])


@pytest.mark.backend("torch")
@pytest.mark.parametrize("name", SAMPLES)
def test_reading_again_gives_the_same_rows_in_the_same_order(read, name):
    assert read[f"{name}, again"] == read[name]


@pytest.mark.backend("torch")
@pytest.mark.parametrize("name", [name for name in SAMPLES if modality(name) != "prose"])
def test_limits_take_some_of_the_very_rows(read, name):
    for split, count in (("train", 5), ("evaluation", 3)):
        some, whole = rows_of(read[f"{name}, limited"][split]), rows_of(read[name][split])
        assert len(some) == count and set(some) <= set(whole)


@pytest.mark.backend("torch")
@pytest.mark.parametrize("name", SAMPLES)
def test_rows_are_held_out_by_the_seed_and_from_training_or_it_is_refused(read, name):
    found, seeded = read[f"{name}, held out"], read[f"{name}, seeded"]
    if modality(name) == "prose":
        assert found["kind"] == "bad_config" and "task.split.evaluation" in found["message"]
        return
    train, held_out = rows_of(found["train"]), rows_of(found["evaluation"])
    assert len(held_out) == 6 and not set(train).intersection(held_out)
    assert rows_of(seeded["evaluation"]) != held_out
    assert sorted(rows_of(seeded["train"]) + rows_of(seeded["evaluation"])) == sorted(train + held_out)


@pytest.mark.backend("torch")
@pytest.mark.parametrize("name", READERS.names())
@pytest.mark.parametrize("case", ["nowhere", "empty"])
def test_a_source_that_is_not_there_or_empty_is_missing(read, name, case):
    found = read[f"{name}, {case}"]
    assert found.get("kind") == "missing_file", found
    assert "\n" not in found["message"] and case in found["message"]


@pytest.mark.backend("torch")
@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("case", ["no bytes", "any bytes"])
def test_a_file_that_is_no_such_file_is_told_in_one_line(read, name, case):
    found = read[f"{name}, {case}"]
    assert found.get("kind") in ("bad_data", "damaged"), found
    assert found["message"] and "\n" not in found["message"]
