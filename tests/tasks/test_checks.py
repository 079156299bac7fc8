"""What rows must satisfy before anything is trained on them, and the order of the labels."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config.schema import TaskConfig
from harness.tasks.checks import _natural
from tests.backend_env import environment_python, program_text, run_in

pytestmark = pytest.mark.backend("torch")

_CHECK = program_text(__file__, "checks_check")


def case(
    train: list[Any], evaluation: list[Any], names: dict[str, list[str]] | None = None, **fields: Any
) -> dict[str, Any]:
    """Return a case of labels; each row's text tells its split and number."""
    columns = {
        split: {"text": [f"{split} {row}" for row in range(len(labels))], "label": labels}
        for split, labels in (("train", train), ("evaluation", evaluation))
    }
    return {**columns, "names": names or {}, "task": dataclasses.asdict(TaskConfig(name="words", **fields))}


def with_texts(built: dict[str, Any], **texts: list[Any]) -> dict[str, Any]:
    """Return the case with other texts in a split."""
    return {**built, **{split: {**built[split], "text": column} for split, column in texts.items()}}


TWO = {"train": ["neg", "pos"], "evaluation": ["pos", "neg"]}

CASES = {
    "names": case(["b", "a", "B"], ["a"]),
    "numbers as text": case(["10", "9", "2"], ["9"]),
    "numbers": case([10, 9, -1], [9]),
    "whole floats": case([1.0, 0.0], [1.0]),
    "booleans": case([True, False], [True]),
    "class labels": case([0, 1, 0], [0, 1], TWO),
    "fixed order": case(["a", "b"], ["b"], labels=("b", "a")),
    "fixed order of class labels": case([0, 1], [0], TWO, labels=("pos", "neg")),
    "names for numbers": case([0, 1], [1], labels=("no", "yes")),
    "numbers that are partly names": case([0, 1], [1], labels=("1", "x")),
    "odd names": case(["--5", "²", "-", "7"], ["-"]),
    "empty training": case([], [1]),
    "empty evaluation": case([1, 2], []),
    "one class": case(["a", "a"], ["a"]),
    "one class of two": case(["a", "a"], ["a", "b"]),
    "one class of the task's": case([1, 1], [0, 1], labels=("no", "yes")),
    "no label": case(["a", None, "b"], ["a"]),
    "blank label": case(["a", "b"], ["a", " "]),
    "label not a number": case([1.0, float("nan")], [1.0]),
    "part of a class": case([0.5, 1.0], [1.0]),
    "several labels": case([["tech", "money"], ["tech"]], [["money"]]),
    "several labels as text": case(["sport", "['tech', 'money']"], ["sport"]),
    "several labels as JSON": case(["[1, 2]", "[1]"], ["[2]"], kind="regression"),
    "a label in brackets": case(["[x]", "y"], ["[x]"]),
    "no text": with_texts(case(["a", "b"], ["a"]), evaluation=[None]),
    "text of numbers": with_texts(case(["a", "b"], ["a"]), train=[1, 2]),
    "label not in training": case(["world", "sport"], ["sports"]),
    "class label not in training": case([0, 0, 1], [2], {"train": ["a", "b", "c"], "evaluation": ["a", "b", "c"]}),
    "label not in task": case(["a", "b"], ["a"], labels=("a", "c")),
    "hidden labels": case([0, 1], [-1], TWO),
    "leaks": with_texts(case(["a", "b", "a", "b"], ["a"]), train=["w", " same ", "x", "y"], evaluation=["same\n"]),
    "all leak": with_texts(case(["a", "b"], ["a", "b"]), train=["x", "y"], evaluation=["y", "x"]),
    "leak of a class": with_texts(case(["a", "b"], ["b"]), train=["x", "y"], evaluation=["y"]),
    "regression": case([1, 2.5], ["-3", "4"], kind="regression"),
    "regression of words": case(["1", "two"], ["1", "2"], kind="regression"),
    "regression without end": case([1.0, float("inf")], [1.0, 2.0], kind="regression"),
    "regression of one number": case([1.0, 2.0], [3.0, 3.0], kind="regression"),
}


@pytest.fixture(scope="module")
def checked() -> dict[str, Any]:
    return run_in(environment_python("torch"), _CHECK, CASES)


def named(outcome: dict[str, Any], split: str) -> list[str]:
    """Return the rows' label names."""
    assert "kind" not in outcome, outcome["message"]
    return [outcome["labels"][index] for _, index in outcome[split]]


@pytest.mark.parametrize(
    ("name", "labels", "train", "evaluation"),
    [
        ("names", ["B", "a", "b"], ["b", "a", "B"], ["a"]),
        ("numbers as text", ["2", "9", "10"], ["10", "9", "2"], ["9"]),
        ("numbers", ["-1", "9", "10"], ["10", "9", "-1"], ["9"]),
        ("whole floats", ["0", "1"], ["1", "0"], ["1"]),
        ("booleans", ["false", "true"], ["true", "false"], ["true"]),
        # Each split's indices are read by its own names: 0 is 'neg' in training and 'pos' in evaluation.
        ("class labels", ["neg", "pos"], ["neg", "pos", "neg"], ["pos", "neg"]),
        ("fixed order", ["b", "a"], ["a", "b"], ["b"]),
        ("fixed order of class labels", ["pos", "neg"], ["neg", "pos"], ["pos"]),
        ("names for numbers", ["no", "yes"], ["no", "yes"], ["yes"]),
        ("numbers that are partly names", ["1", "x"], ["1", "x"], ["x"]),
        ("a label in brackets", ["[x]", "y"], ["[x]", "y"], ["[x]"]),
        ("odd names", ["7", "-", "--5", "²"], ["--5", "²", "-", "7"], ["-"]),
    ],
)
def test_labels_stand_in_order_and_rows_keep_theirs(checked, name, labels, train, evaluation):
    assert checked[name].get("labels") == labels, checked[name]
    assert checked[name]["train names"] == checked[name]["evaluation names"] == labels
    assert named(checked[name], "train") == train
    assert named(checked[name], "evaluation") == evaluation


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("empty training", "bad_data", "the train split is empty"),
        ("empty evaluation", "bad_data", "the evaluation split is empty"),
        ("one class", "bad_data", "every training row has the one label 'a'"),
        ("one class of two", "bad_data", "every training row has the one label 'a'"),
        ("one class of the task's", "bad_data", "every training row has the one label 'yes'"),
        ("no label", "bad_data", "train split: 1 rows have no label, the first is row 1"),
        ("blank label", "bad_data", "evaluation split: 1 rows have no label, the first is row 1"),
        ("label not a number", "bad_data", "no label"),
        ("part of a class", "bad_data", "kind=regression"),
        ("several labels", "bad_data", "label ['tech', 'money'] of row 0 holds several labels; multi-label"),
        ("several labels as text", "bad_data", "label ['tech', 'money'] of row 1 holds several labels"),
        ("several labels as JSON", "bad_data", "want one a row"),
        ("no text", "bad_data", "no text"),
        ("text of numbers", "bad_data", "int, not text, such as row 0"),
        ("label not in training", "bad_labels", "'sports' (row 0) is not in the training split; did you mean 'sport'?"),
        ("class label not in training", "bad_labels", "'c'"),
        ("label not in task", "bad_labels", "training label 'b' (row 1) is not in task.labels"),
        ("hidden labels", "bad_labels", "-1"),
        ("all leak", "bad_data", "every training row also stands in the evaluation split"),
        ("regression of words", "bad_data", "label 'two' of row 1 is no finite number"),
        ("regression without end", "bad_data", "label 'inf' of row 1 is no finite number"),
        ("regression of one number", "bad_data", "every label is 3.0"),
    ],
)
def test_rows_unfit_to_train_on_have_a_named_failure(checked, name, kind, says):
    assert (checked[name].get("kind"), says in checked[name].get("message", "")) == (kind, True), checked[name]


def test_training_rows_that_stand_in_the_evaluation_split_are_dropped(checked):
    assert checked["leaks"]["leaks"] == 1
    assert [text for text, _ in checked["leaks"]["train"]] == ["w", "x", "y"]
    assert len(checked["leaks"]["evaluation"]) == 1
    assert checked["names"]["leaks"] == 0


def test_a_class_that_only_leaked_rows_have_is_missed(checked):
    assert checked["leak of a class"]["kind"] == "bad_data"


def test_a_regression_has_numbers_and_no_labels(checked):
    outcome = checked["regression"]
    assert (outcome["labels"], outcome["type"]) == ([], "float32")
    assert [label for _, label in outcome["train"] + outcome["evaluation"]] == [1.0, 2.5, -3.0, 4.0]


@given(st.sets(st.integers()), st.lists(st.text()))
def test_numbers_are_sorted_by_value_and_before_names(numbers, names):
    names = [name for name in names if not name.lstrip("-").isdecimal()]
    ordered = sorted([*names, *map(str, numbers)], key=_natural)
    assert ordered == [*map(str, sorted(numbers)), *sorted(names)]
