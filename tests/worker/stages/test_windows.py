"""The stage `windows`: every token of running text, in order, in rows of one length."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config.schema import SplitConfig, TaskConfig
from harness.data.token_rows import Rows
from harness.errors import StageError
from harness.execute.artefacts.keys import cutter
from harness.worker.stages.windows import as_rows, cut
from tests.backend_env import environment_python, program_text, run_in

_STAGE = program_text(__file__, "windows_stage")


def _task(**fields: Any) -> TaskConfig:
    split = SplitConfig(evaluation="test", **{name: fields.pop(name) for name in list(fields) if "limit" in name})
    return TaskConfig(name="tales", reader="prose", kind="language_modelling", split=split, **fields)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    base = tmp_path_factory.mktemp("windows")
    (base / "texts").mkdir()
    (base / "texts" / "train-0.txt").write_text("a king had three sons")
    (base / "texts" / "train-1.txt").write_text("the youngest went away")
    (base / "texts" / "test.txt").write_text("a queen had sons and sons")
    tasks = {
        "three": _task(max_length=3),
        "limited": _task(max_length=3, limit_train=1, limit_evaluation=2),
        "long": _task(max_length=300),
    }
    plain = {name: dataclasses.asdict(task) for name, task in tasks.items()}
    return base, run_in(environment_python("torch"), _STAGE, base, plain)


@pytest.mark.backend("torch")
def test_documents_are_joined_by_their_ends_and_cut_without_a_gap(made):
    base, found = made
    train = Rows.load(base / "three" / "train.npz")
    # a king had three sons <end> the youngest went away <end>, and no window of the last two
    assert train.batch(range(len(train)))["input_ids"].tolist() == [[2, 3, 4], [5, 6, 0], [8, 9, 10]]
    evaluation = Rows.load(base / "three" / "evaluation.npz")
    # "queen" is no word of the tokenizer's.
    assert evaluation.batch(range(len(evaluation)))["input_ids"].tolist() == [[2, 1, 4], [6, 7, 6]]
    assert found["three"]["rows"] == {"train": 3, "evaluation": 2}


@pytest.mark.backend("torch")
def test_a_row_counts_the_tokens_that_are_predicted(made):
    base, found = made
    assert found["three"]["references"] == [2.0, 2.0]
    assert json.loads((base / "three" / "task.json").read_text()) == {
        "kind": "language_modelling",
        "labels": [],
        "max_length": 3,
        "positions": 256,
    }


@pytest.mark.backend("torch")
def test_a_limit_takes_the_first_windows_and_changes_the_fingerprint_of_its_split_alone(made):
    _, found = made
    assert found["limited"]["rows"] == {"train": 1, "evaluation": 2}
    prints = [found[name]["fingerprints"] for name in ("three", "limited")]
    assert prints[0]["train"] != prints[1]["train"] and prints[0]["evaluation"] == prints[1]["evaluation"]


@pytest.mark.backend("torch")
def test_windows_are_no_longer_than_the_model_takes(made):
    assert made[1]["long"]["kind"] == "bad_data"
    assert "11 tokens are less than one window of 256" in made[1]["long"]["message"]


@given(st.lists(st.integers(0, 99), max_size=60), st.integers(2, 9), st.none() | st.integers(1, 5))
def test_the_windows_are_the_stream(stream, length, limit):
    whole = len(stream) // length
    if not whole:
        with pytest.raises(StageError, match="less than one window"):
            cut(np.array(stream, np.int64), length, limit, "tales")
        return
    rows = as_rows(cut(np.array(stream, np.int64), length, limit, "tales"))
    assert len(rows) == min(whole, limit or whole)
    assert rows.input_ids.tolist() == stream[: len(rows) * length]
    assert set(rows.lengths) == {length} and set(rows.labels) == {length - 1.0}


def test_only_running_text_is_cut_into_windows():
    class Cell:
        task = _task()

    assert cutter(Cell) == "windows"
    Cell.task = TaskConfig(name="words")
    assert cutter(Cell) == "tokenise"
