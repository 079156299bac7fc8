"""A user's table read without a framework is, row for row, what the stage `tokenise` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from harness.errors import StageError
from harness.tasks.plain_rows import read_table
from tests.tasks.reading import read_all, task

pytestmark = pytest.mark.backend("torch")

ROWS = [(f"text {row}", "other", ("neg", "pos", "01")[row % 3]) for row in range(40)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("plain")
    (base / "rows.csv").write_text("text,pair,label\n" + "".join(",".join(row) + "\n" for row in ROWS))
    lines = [json.dumps(dict(zip(("text", "pair", "label"), row, strict=True))) for row in ROWS]
    (base / "rows.jsonl").write_text("\n".join(lines) + "\n")
    (base / "folder").mkdir()
    (base / "folder" / "train.csv").write_text((base / "rows.csv").read_text())
    (base / "folder" / "test.csv").write_text("text,pair,label\nlast,x,neg\nbut one,y,pos\n")
    columns = {"text": [row[0] for row in ROWS], "label": [row % 2 for row in range(40)]}
    features = {
        "text": {"dtype": "string", "_type": "Value"},
        "label": {"names": ["bad", "good"], "_type": "ClassLabel"},
    }
    told = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    pyarrow.parquet.write_table(pyarrow.table(columns).replace_schema_metadata(told), base / "rows.parquet")
    return base


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "csv": ("rows.csv", {"held_out": 10, "seed": 3}),
    "limited": ("rows.csv", {"held_out": 10, "seed": 3, "limit_train": 7, "limit_evaluation": 4}),
    "pairs": ("rows.jsonl", {"held_out": 5, "text_pair": "pair"}),
    "files": ("folder", {"evaluation": "test", "limit_train": 20}),
    "class names": ("rows.parquet", {"held_out": 10}),
}


@pytest.fixture(scope="module")
def framework(base: Path) -> dict[str, Any]:
    return read_all({name: (base / place, task("table", **fields)) for name, (place, fields) in CASES.items()})


@pytest.mark.parametrize("name", CASES)
def test_rows_and_their_order_are_the_same(base, framework, name):
    place, fields = CASES[name]
    found = read_table(base / place, task("table", **fields))
    assert {split: rows.columns for split, rows in found.items()} == framework[name]


def test_names_of_classes_in_a_parquet_file_are_found(base):
    found = read_table(base / "rows.parquet", task("table", held_out=10))
    assert found["train"].features["label"].names == ("bad", "good")
    assert read_table(base / "rows.csv", task("table", held_out=10))["train"].features["label"].names is None


def test_mistakes_are_the_same_lines(base):
    with pytest.raises(StageError, match=r"no column 'labl' \(task.label\); did you mean 'label'"):
        read_table(base / "rows.csv", task("table", held_out=10, label="labl"))
    with pytest.raises(StageError, match=r"rwos.csv: no such file or folder; did you mean 'rows.csv'"):
        read_table(base / "rwos.csv", task("table", held_out=10))
