"""Damaged checkpoints and odd tables of a user's own are one clear problem in ``harness plan``, never a traceback."""

from __future__ import annotations

import os

import pytest

from tests.plan.test_preview import TOPICS, names, own, plan, told, write_model  # noqa: F401

_LABELLED = "task.labels=[tech,business,sport]"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("null", "config.json: want an object, found NoneType"),
        ("[1, 2]", "config.json: want an object, found list"),
        ('{"a": ' * 100_000, "config.json: cannot be read as JSON: nested too deeply"),
        ("{", "config.json: cannot be read as JSON"),
        ('{"n": ' + "9" * 5000 + "}", "config.json: cannot be read as JSON"),
        ('{"id2label": {"zero": "a"}}', "config.json: id2label is {'zero': 'a'}, want an object of numbers"),
        ('{"id2label": ["a"]}', "config.json: id2label is ['a'], want an object of numbers and names"),
        ('{"num_labels": 1000000000000}', "config.json: num_labels is 1000000000000, want 1 to 1000000"),
        ('{"architectures": 5}', "config.json: architectures is 5, want a list of names"),
        ('{"model_type": ["bert"]}', "config.json: model_type is ['bert'], want a name"),
        ('{"pad_token_id": "zero"}', "config.json: pad_token_id is 'zero', want a whole number"),
        ('{"max_position_embeddings": true}', "config.json: max_position_embeddings is True, want a whole number"),
    ],
)
def test_a_config_that_says_what_none_can_is_damaged(own, capsys, text, words):  # noqa: F811
    (own / "model" / "config.json").write_text(text)
    status, shown = told(capsys, plan(own, _LABELLED))
    assert (status, words in shown) == (2, True), shown


def test_a_config_whose_reading_would_not_end_is_refused(own, capsys):  # noqa: F811
    config = own / "model" / "config.json"
    for make, words in (
        (os.mkfifo, "config.json: is no regular file; want a JSON file"),
        (lambda path: path.symlink_to("/dev/zero"), "config.json: is no regular file; want a JSON file"),
        (_write_sparse, f"config.json: has {2**40} bytes; want at most {2**26}"),
    ):
        config.unlink()
        make(config)
        status, shown = told(capsys, plan(own, _LABELLED))
        assert (status, words in shown) == (2, True), shown


def _write_sparse(path):
    with path.open("wb") as stream:
        stream.truncate(2**40)


def test_a_tokenizer_config_that_is_no_object_is_passed_over(own, capsys):  # noqa: F811
    write_model(own / "named", id2label=names(*TOPICS))
    for text in ("null", "[" * 100_000):
        (own / "named" / "tokenizer_config.json").write_text(text)
        assert told(capsys, plan(own, model="named"))[0] == 0


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["task.label=sentence"], "task.text and task.label both name the column 'sentence'; want two columns"),
        (["task.text_pair=sentence"], "task.text and task.text_pair both name the column 'sentence'"),
        (["task.split.seed=-1"], "task.split.seed=-1: want at least 0"),
        (["task.metric=''"], "task.metric=: want the name of a metric"),
        (["task.split.train=/nowhere/rows"], "no file for the split '/nowhere/rows'"),
        ([f"task.split.train={'x' * 300}"], "File name too long"),
        (["task.split.train='a**b'"], "no file for the split 'a**b'"),
        ([f"task.source.path=/tmp/{'x' * 300}"], "File name too long"),
        (["task.source.path='~nobodyofthatname/rows.csv'"], "this host has no home folder of that name"),
    ],
)
def test_fields_that_cannot_be_meant_are_a_problem(own, capsys, overrides, words):  # noqa: F811
    status, shown = told(capsys, plan(own, _LABELLED, *overrides))
    assert (status, words in shown) == (2, True), shown


def test_a_table_with_two_columns_of_one_name_is_refused(own, capsys):  # noqa: F811
    (own / "twice.csv").write_text("sentence,topic,topic\n" + "".join(f"t {n},a,b\n" for n in range(200)))
    status, shown = told(capsys, plan(own, data="twice.csv"))
    assert status == 2 and "2 columns are called 'topic' (task.label); want one" in shown


def test_a_label_of_five_thousand_digits_is_a_label(own, capsys):  # noqa: F811
    rows = "".join(f"t {n},{'9' * 5000 if n % 2 else '1'}\n" for n in range(200))
    (own / "digits.csv").write_text("sentence,topic\n" + rows)
    status, shown = told(capsys, plan(own, data="digits.csv"))
    assert status == 2 and "labels do not fit the head" in shown


def test_a_number_too_large_for_a_regression_is_bad_data(own, capsys):  # noqa: F811
    rows = "".join(f'{{"sentence": "t {n}", "topic": {n}}}\n' for n in range(200))
    (own / "numbers.jsonl").write_text(rows + '{"sentence": "t", "topic": 1e999}\n')
    arguments = ["task.kind=regression", "task.metric=pearson"]
    status, shown = told(capsys, plan(own, *arguments, data="numbers.jsonl"))
    assert status == 2 and "numbers.jsonl: JSON parse error: Number too big to be stored in double" in shown


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("deep.jsonl", b'{"sentence": "a", "topic": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "line 1: nested too"),
        ("latin.csv", "sentence,topic\ncaf\u00e9,tech\n".encode("latin-1"), "line 2: the byte 0xe9 is no UTF-8"),
        ("wide.csv", "sentence,topic\na,tech\n".encode("utf-16"), "looks like UTF-16 or UTF-32; want UTF-8"),
    ],
)
def test_a_table_that_is_no_plain_text_is_refused(own, capsys, name, content, words):  # noqa: F811
    (own / name).write_bytes(content)
    status, shown = told(capsys, plan(own, _LABELLED, data=name))
    assert (status, f"{name}" in shown, words in shown) == (2, True, True), shown


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("folder", "no file for the split 'train'"),
        ("loop", "symbolic links"),
        ("gone.csv", "gone.csv: a link that leads nowhere, to /nowhere/at/all"),
        ("zero.csv", "zero.csv: is no regular file; want a file or a folder"),
        ("pipe.csv", "pipe.csv: is no regular file; want a file or a folder"),
    ],
)
def test_what_is_no_file_is_said_to_be_none(own, capsys, data, words):  # noqa: F811
    (own / "folder" / "train.csv").mkdir(parents=True)
    (own / "loop").symlink_to(own / "loop")
    (own / "gone.csv").symlink_to("/nowhere/at/all")
    (own / "zero.csv").symlink_to("/dev/zero")
    os.mkfifo(own / "pipe.csv")
    status, shown = told(capsys, plan(own, data=data))
    assert (status, words in shown) == (2, True), shown
