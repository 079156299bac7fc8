"""The reader `orange_tab`, on small files of Orange's format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tasks.reading import all_rows, read_all, task

pytestmark = pytest.mark.backend("torch")

HEADER = "Category\tSource\tText\ndiscrete\tdiscrete\tstring\nclass\tmeta\tmeta\n"
TRAIN = HEADER + 'earn\twire\tprofit rose\n\ngrain\twire\t"wheat ""futures""\tfell"\n'
TEST = HEADER + "earn\twire\ta dividend\nacq\twire\ta merger\n"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    base = tmp_path_factory.mktemp("tab")

    def written(folder: str, **files: str | bytes) -> Path:
        for stem, content in files.items():
            path = base / folder / f"{stem}.tab"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return base / folder

    def one(name: str, content: str | bytes, **fields: Any) -> tuple[Path, Any]:
        return written(name, train=content) / "train.tab", task("orange_tab", held_out=1, **fields)

    both = written("both", train=TRAIN, test=TEST)
    two_texts = HEADER.replace("Source\tText", "Title\tBody").replace("discrete\tstring", "string\tstring")
    long_text = "word " * 60_000
    return read_all(
        {
            "two files": (both, task("orange_tab", train="train.tab", evaluation="test.tab")),
            "stems": (both, task("orange_tab", evaluation="test")),
            "class with a value order": one("order", TRAIN.replace("class\t", "class=earn,grain\t")),
            "text named in another case": one("case", two_texts + "a\tt1\tb1\nb\tt2\tb2\n", text="BODY"),
            "two texts": one("ambiguous", two_texts + "a\tt1\tb1\nb\tt2\tb2\n"),
            "a long text": one("long", HEADER + f"earn\twire\t{long_text}\ngrain\twire\tb\n"),
            "two rows": one("short", "Category\tText\ndiscrete\tstring\n"),
            "no class": one("none", TRAIN.replace("class\t", "\t")),
            "two classes": one("classes", TRAIN.replace("class\tmeta", "class\tclass")),
            "text is the class": one("same", TRAIN, text="category"),
            "a short row": one("row", TRAIN + "acq\twire\n"),
            "a long row": one("fields", TRAIN + "acq\twire\ta\tb\n"),
            "latin 1": one("latin", (HEADER + "earn\twire\tcaf\u00e9\n").encode("latin-1")),
            "no evaluation file": (both, task("orange_tab", evaluation="tset")),
            "no source": (None, task("orange_tab", held_out=1)),
        }
    )


@pytest.mark.parametrize("case", ["two files", "stems"])
def test_three_header_rows_are_no_data(outcomes, case):
    expected = {"text": ["profit rose", 'wheat "futures"\tfell'], "label": ["earn", "grain"]}
    assert outcomes[case]["train"] == expected
    evaluation = outcomes[case]["evaluation"]
    assert dict(zip(evaluation["text"], evaluation["label"], strict=True)) == {"a dividend": "earn", "a merger": "acq"}


def test_a_class_flag_may_list_its_values(outcomes):
    assert [label for _, label in all_rows(outcomes["class with a value order"])] == ["earn", "grain"]


def test_the_text_is_found_by_name_in_any_case(outcomes):
    assert all_rows(outcomes["text named in another case"]) == [("b1", "a"), ("b2", "b")]


def test_a_field_may_be_longer_than_the_csv_modules_own_limit(outcomes):
    assert max(len(text) for text, _ in all_rows(outcomes["a long text"])) == 300_000


@pytest.mark.parametrize(
    ("case", "kind", "says"),
    [
        ("two texts", "bad_data", "task.text"),
        ("two rows", "bad_data", "three header rows"),
        ("no class", "bad_data", "0 columns are flagged 'class'"),
        ("two classes", "bad_data", "2 columns are flagged 'class'"),
        ("text is the class", "bad_data", "task.text"),
        ("a short row", "bad_data", "row 7: 2 fields, not 3"),
        ("a long row", "bad_data", "row 7: 4 fields, not 3"),
        ("latin 1", "bad_data", "train.tab"),
        ("no evaluation file", "missing_file", "did you mean 'test.tab'?"),
        ("no source", "bad_config", "orange_tab"),
    ],
)
def test_a_bad_file_has_a_named_failure(outcomes, case, kind, says):
    assert (outcomes[case]["kind"], says in outcomes[case]["message"]) == (kind, True), outcomes[case]
